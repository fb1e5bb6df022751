update account set balance = balance + @Amount where id = @Account
