using System.Text;
using FileIndex.Demo;
using Npgsql;

namespace Bank.Demo;

/// <summary>
/// An audit that cannot fail says nothing. So `--tamper` falsifies the books, in one way after the other, lets them be audited and sampled, and puts them right again.
/// </summary>
internal sealed class Tampering(Stage stage)
{
    /// <summary>How many faults were found in each falsification, by its name; and when all was put right again: `restored`, which should be none.</summary>
    public async Task<Dictionary<string, int>> RunAsync(Func<Task<int>> audit, CancellationToken ct)
    {
        var (committed, aborted) = (await AnyAsync("commit", ct), await AnyAsync("abort", ct));
        var (rich, nobody) = (await RichAsync(ct), Guid.CreateVersion7());
        var found = new Dictionary<string, int>();
        await TryAsync("cent_added", "a", "update account set balance = balance + 1 where number = 1", "update account set balance = balance - 1 where number = 1");
        await TryAsync("cent_moved_in_a_bank", "b", Move(rich, rich % 2 + 1), Move(rich % 2 + 1, rich));
        await TryAsync("cent_moved_between_banks", "a", "update account set balance = balance + 1 where number = 1", "update account set balance = balance - 1 where number = 1",
            "b", $"update account set balance = balance - 1 where number = {rich}", $"update account set balance = balance + 1 where number = {rich}");
        await TryAsync("account_below_zero", "a", "alter table account drop constraint account_balance_check; update account set balance = balance - 1e9 where number = 1",
            "update account set balance = balance + 1e9 where number = 1; alter table account add constraint account_balance_check check (balance >= 0)");
        await TryAsync("applied_row_lost", "b", $"create table kept as select * from applied where transfer = '{committed}'; delete from applied where transfer = '{committed}'",
            "insert into applied select * from kept; drop table kept");
        await TryAsync("aborted_transfer_applied", "a", $"insert into applied values ('{aborted}', 1, 1)", $"delete from applied where transfer = '{aborted}'");
        await TryAsync("transfer_of_nobody", "a", $"insert into applied values ('{nobody}', 1, 1)", $"delete from applied where transfer = '{nobody}'");
        await TryAsync("left_prepared", "a", "begin; update account set balance = balance where number = 1; prepare transaction 'jobs:tampered'", "rollback prepared 'jobs:tampered'");
        await TryAsync("decision_changed", "", $"update transaction_decision set decision = 'abort' where transaction_id = '{committed}'",
            $"update transaction_decision set decision = 'commit' where transaction_id = '{committed}'");
        await TryAsync("not_ended", "", $"update transaction set state = 'committing' where id = '{committed}'", $"update transaction set state = 'committed' where id = '{committed}'");
        await TryAsync("booking_left_over", "", "insert into booking select 'tampered', id, 'trip.flight', 'flight 1' from transaction where name = 'trip' limit 1", "delete from booking where key = 'tampered'");
        await TryLedgerAsync("ledger_line_lost", lines => lines.Where(l => !l.StartsWith($"Commit {committed} ", StringComparison.Ordinal)));
        await TryLedgerAsync("ledger_line_changed", lines => lines.Select((l, n) => n == 0 ? $"{l[..^1]}{(l[^1] == '0' ? '1' : '0')}" : l));
        found["restored"] = await audit();
        return found;

        async Task TryAsync(string name, string where, string falsify, string mend, string? also = null, string? falsifyThere = null, string? mendThere = null)
        {
            await ExecuteAsync(where, falsify, ct);
            if (also is not null)
            {
                await ExecuteAsync(also, falsifyThere!, ct);
            }

            found[name] = await audit();
            await ExecuteAsync(where, mend, ct);
            if (also is not null)
            {
                await ExecuteAsync(also, mendThere!, ct);
            }
        }

        async Task TryLedgerAsync(string name, Func<string[], IEnumerable<string>> falsify)
        {
            var before = await File.ReadAllBytesAsync(stage.LedgerPath, ct);
            var lines = Encoding.ASCII.GetString(before).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            await File.WriteAllTextAsync(stage.LedgerPath, string.Concat(falsify(lines).Select(l => l + "\n")), ct);
            found[name] = await audit();
            await File.WriteAllBytesAsync(stage.LedgerPath, before, ct);
        }
    }

    /// <summary>An account of bank b with something on it.</summary>
    private async Task<int> RichAsync(CancellationToken ct)
    {
        await using var command = stage.Bank("b").CreateCommand("select number from account where balance > 0 order by number limit 1");
        return (int)(await command.ExecuteScalarAsync(ct))!;
    }

    private static string Move(int from, int to) => $"update account set balance = balance - 1 where number = {from}; update account set balance = balance + 1 where number = {to}";

    private async Task<Guid> AnyAsync(string decision, CancellationToken ct)
    {
        await using var command = stage.Database.CreateCommand($"select id from transaction t join transaction_decision d on d.transaction_id = t.id where t.name = 'transfer' and decision = '{decision}' order by id limit 1");
        return await command.ExecuteScalarAsync(ct) as Guid?
            ?? throw new DemoException($"There is no transfer whose decision is to {decision}, to tamper with; take more --transfers.");
    }

    /// <param name="where">A bank; empty: the database of the jobs.</param>
    /// <param name="sql">One or more statements; one by one, for what is prepared cannot stand among others.</param>
    /// <param name="ct">Stops it.</param>
    private async Task ExecuteAsync(string where, string sql, CancellationToken ct)
    {
        await using var connection = await (where.Length > 0 ? stage.Bank(where) : stage.Database).OpenConnectionAsync(ct);
        foreach (var statement in sql.Split("; "))
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(ct);
        }
    }
}
