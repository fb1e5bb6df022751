select decision, reason from jobs.transaction_decision where transaction_id = $1
