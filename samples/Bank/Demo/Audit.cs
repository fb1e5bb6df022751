using Npgsql;

namespace Bank.Demo;

/// <summary>What the audit found. All is well if nothing is in <see cref="Faults"/>.</summary>
internal sealed class Findings
{
    public int Transfers { get; set; }

    public int Committed { get; set; }

    public int Aborted { get; set; }

    /// <summary>Transfers whose outcome is not the same everywhere: in the decision, in bank a, in bank b, in the ledger.</summary>
    public int Mixed { get; set; }

    /// <summary>What has no end: transactions, prepared transactions of the databases, transfers that the ledger has prepared and not ended.</summary>
    public int InDoubt { get; set; }

    public int NegativeAccounts { get; set; }

    public long Total { get; set; }

    public int Trips { get; set; }

    public int FailedTrips { get; set; }

    /// <summary>What was booked and then cancelled.</summary>
    public int Cancelled { get; set; }

    /// <summary>Why transfers were aborted.</summary>
    public Dictionary<string, int> Reasons { get; } = [];

    /// <summary>Why trips failed.</summary>
    public Dictionary<string, int> TripReasons { get; } = [];

    public List<string> Faults { get; } = [];
}

/// <summary>
/// Compares everybody's books when all has ended: the coordinator's tables, both banks' and the agency's databases, the ledger's file. It uses nothing of the platform, and none of the code that wrote the books but the
/// parser of the ledger's lines. Every balance is computed again from the decisions and the plans.
/// </summary>
internal sealed class Audit
{
    private readonly Stage _stage;
    private readonly Findings _found = new();
    private readonly Dictionary<Guid, Planned> _plans = [];

    private Audit(Stage stage) => _stage = stage;

    private sealed record Planned(string State, string? Decision, Dictionary<string, (int Account, long Cents)> Postings, int Number);

    private sealed record Books(Dictionary<int, long> Balances, Dictionary<Guid, (int Account, long Cents)> Applied, List<string> Prepared);

    /// <param name="stage">Where. Nothing runs there any more.</param>
    /// <param name="transfers">How many were to be begun.</param>
    /// <param name="trips">How many of those.</param>
    /// <param name="ct">Stops it.</param>
    public static async Task<Findings> RunAsync(Stage stage, int transfers, int trips, CancellationToken ct)
    {
        var audit = new Audit(stage);
        await audit.ReadPlansAsync(ct);
        var a = await ReadBooksAsync(stage.Bank("a"), ct);
        var b = await ReadBooksAsync(stage.Bank("b"), ct);
        var ledger = audit.ReadLedger();
        audit.CompareOutcomes(transfers, a, b, ledger);
        audit.CompareBalances("a", a);
        audit.CompareBalances("b", b);
        await audit.CheckTripsAsync(trips, ct);
        return audit._found;
    }

    private async Task ReadPlansAsync(CancellationToken ct)
    {
        await using var command = _stage.Database.CreateCommand("""
            select t.id, t.state, d.decision, split_part(coalesce(t.reason, ''), ': ', 2), a.args ->> 'account', a.args ->> 'cents', b.args ->> 'account', b.args ->> 'cents', l.args ->> 'number'
            from transaction t left join transaction_decision d on d.transaction_id = t.id
            join transaction_branch a on a.transaction_id = t.id and a.kind = 'bank.a' join transaction_branch b on b.transaction_id = t.id and b.kind = 'bank.b'
            join transaction_branch l on l.transaction_id = t.id and l.kind = 'ledger'
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            var (state, decision, reason) = (reader.GetString(1), reader.IsDBNull(2) ? null : reader.GetString(2), reader.GetString(3));
            _plans.Add(reader.GetGuid(0), new Planned(state, decision, new()
            {
                ["a"] = (int.Parse(reader.GetString(4)), long.Parse(reader.GetString(5))),
                ["b"] = (int.Parse(reader.GetString(6)), long.Parse(reader.GetString(7))),
            }, int.Parse(reader.GetString(8))));
            if (decision == "abort")
            {
                Count(_found.Reasons, reason.Length > 0 ? reason : "not decided in time");
            }
        }
    }

    private static async Task<Books> ReadBooksAsync(NpgsqlDataSource bank, CancellationToken ct)
    {
        var books = new Books([], [], []);
        await using var connection = await bank.OpenConnectionAsync(ct);
        await using var command = new NpgsqlCommand("""
            select number, balance from account;
            select transfer, account, cents from applied;
            select gid from pg_prepared_xacts where database = current_database()
            """, connection);
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            books.Balances.Add(reader.GetInt32(0), reader.GetInt64(1));
        }

        await reader.NextResultAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            books.Applied.Add(reader.GetGuid(0), (reader.GetInt32(1), reader.GetInt64(2)));
        }

        await reader.NextResultAsync(ct);
        while (await reader.ReadAsync(ct))
        {
            books.Prepared.Add(reader.GetString(0));
        }

        return books;
    }

    /// <summary>For every transfer what the ledger has written of it, in order.</summary>
    private Dictionary<Guid, List<LedgerEntry>> ReadLedger()
    {
        try
        {
            return LedgerFile.Read(File.ReadAllBytes(_stage.LedgerPath)).Entries.GroupBy(e => e.Transfer).ToDictionary(g => g.Key, g => g.ToList());
        }
        catch (InvalidDataException e)
        {
            _found.Faults.Add(e.Message);
            return [];
        }
    }

    private void CompareOutcomes(int transfers, Books a, Books b, Dictionary<Guid, List<LedgerEntry>> ledger)
    {
        foreach (var (id, plan) in _plans)
        {
            var written = ledger.GetValueOrDefault(id) ?? [];
            bool[] outcomes = [plan.Decision == "commit", a.Applied.ContainsKey(id), b.Applied.ContainsKey(id), written.Exists(e => e.Verb == LedgerVerb.Commit)];
            if (outcomes.Distinct().Count() > 1)
            {
                _found.Mixed++;
                _found.Faults.Add($"transfer {plan.Number} ({id}) is mixed: decision {plan.Decision ?? "none"}, bank a {Word(outcomes[1])}, bank b {Word(outcomes[2])}, ledger {Word(outcomes[3])}");
            }

            _found.Committed += plan.State == "committed" ? 1 : 0;
            _found.Aborted += plan.State == "aborted" ? 1 : 0;
            Expect(plan.State == (plan.Decision == "commit" ? "committed" : "aborted"), $"transfer {plan.Number} ({id}) has not ended as decided: it is {plan.State}, the decision is {plan.Decision ?? "none"}");
            Expect(!written.Exists(e => e.Verb == LedgerVerb.Commit) || !written.Exists(e => e.Verb is LedgerVerb.Abort or LedgerVerb.Refuse), $"transfer {plan.Number} ({id}) was both committed and refused or aborted in the ledger");
            Expect(written.TrueForAll(e => e.Note.Number == plan.Number && e.Note.Cents == Math.Abs(plan.Postings["a"].Cents)), $"transfer {plan.Number} ({id}) has another number or amount in the ledger");
            if (written.Count > 0 && written[^1].Verb == LedgerVerb.Prepare)
            {
                _found.InDoubt++;
                _found.Faults.Add($"transfer {plan.Number} ({id}) is prepared in the ledger and has no end");
            }
        }

        _found.Transfers = _plans.Count;
        _found.InDoubt += a.Prepared.Count + b.Prepared.Count + _plans.Values.Count(p => p.State is not ("committed" or "aborted"));
        Expect(_plans.Count == transfers, $"{transfers:N0} transfers were begun, and the coordinator knows {_plans.Count:N0}");
        Expect(_plans.Values.Select(p => p.Number).Distinct().Count() == _plans.Count, "a transfer is there twice");
        Expect(_plans.Values.All(p => p.Postings["a"].Cents + p.Postings["b"].Cents == 0), "a plan makes money");
        foreach (var gid in a.Prepared.Concat(b.Prepared))
        {
            _found.Faults.Add($"{gid} is still prepared");
        }

        foreach (var id in a.Applied.Keys.Concat(b.Applied.Keys).Concat(ledger.Keys).Distinct().Where(id => !_plans.ContainsKey(id)))
        {
            _found.Mixed++;
            _found.Faults.Add($"transfer {id} is in somebody's books, and was never begun");
        }
    }

    /// <summary>An account has what its committed transfers, as planned and decided, have left on it.</summary>
    private void CompareBalances(string bank, Books books)
    {
        var expected = Enumerable.Range(1, BankDatabase.Accounts).ToDictionary(n => n, _ => BankDatabase.Opening);
        foreach (var (id, plan) in _plans.Where(p => p.Value.Decision == "commit"))
        {
            var (account, cents) = plan.Postings[bank];
            expected[account] += cents;
            Expect(!books.Applied.TryGetValue(id, out var applied) || applied == (account, cents), $"transfer {plan.Number} ({id}) was applied in bank {bank} other than planned");
        }

        foreach (var (account, balance) in expected)
        {
            var has = books.Balances.TryGetValue(account, out var found) ? Money.Text(found) : "no balance";
            Expect(found == balance, $"account {bank}{account} has {has}, and should have {Money.Text(balance)}");
        }

        Expect(books.Balances.Count == BankDatabase.Accounts, $"bank {bank} has {books.Balances.Count:N0} accounts instead of {BankDatabase.Accounts:N0}");
        var negative = books.Balances.Values.Count(b => b < 0);
        Expect(negative == 0, $"{negative:N0} accounts of bank {bank} are below zero");
        _found.NegativeAccounts += negative;
        _found.Total += books.Balances.Values.Sum();
    }

    /// <summary>A trip that was made has everything, one that failed has nothing, and the offers have what is booked.</summary>
    private async Task CheckTripsAsync(int trips, CancellationToken ct)
    {
        await using var command = _stage.Database.CreateCommand("""
            select t.id, t.state, d.decision, split_part(coalesce(t.reason, ''), ': ', 2), (select count(*)::integer from transaction_branch b where b.transaction_id = t.id),
              (select count(*) filter (where not cancelled)::integer from booking where transaction = t.id), (select count(*) filter (where cancelled)::integer from booking where transaction = t.id)
            from transaction t left join transaction_decision d on d.transaction_id = t.id where t.name = 'trip'
            """);
        await using (var reader = await command.ExecuteReaderAsync(ct))
        {
            while (await reader.ReadAsync(ct))
            {
                var (id, state, committed) = (reader.GetGuid(0), reader.GetString(1), !reader.IsDBNull(2) && reader.GetString(2) == "commit");
                var (planned, booked, cancelled) = (reader.GetInt32(4), reader.GetInt32(5), reader.GetInt32(6));
                _found.Trips++;
                _found.Cancelled += cancelled;
                if (state is not ("committed" or "aborted"))
                {
                    _found.InDoubt++;
                }

                if (!committed)
                {
                    _found.FailedTrips++;
                    Count(_found.TripReasons, reader.GetString(3));
                }

                Expect(state == (committed ? "committed" : "aborted"), $"trip {id} has not ended as decided: it is {state}");
                Expect(booked == (committed ? planned : 0), $"trip {id} is {state} and has {booked} of {planned} bookings");
            }
        }

        Expect(_found.Trips == trips, $"{trips:N0} trips were begun, and the coordinator knows {_found.Trips:N0}");
        await using var offers = _stage.Database.CreateCommand("""
            select count(*)::integer from offer o where free <> offered - (select count(*) from booking b where b.offer = o.name and not cancelled)
            """);
        var wrong = (int)(await offers.ExecuteScalarAsync(ct))!;
        Expect(wrong == 0, $"{wrong} flights or hotels have another number of free places than is not booked");
    }

    private void Expect(bool holds, string otherwise)
    {
        if (!holds)
        {
            _found.Faults.Add(otherwise);
        }
    }

    private static void Count(Dictionary<string, int> counts, string reason) => counts[reason] = counts.GetValueOrDefault(reason) + 1;

    private static string Word(bool committed) => committed ? "has it" : "has it not";
}
