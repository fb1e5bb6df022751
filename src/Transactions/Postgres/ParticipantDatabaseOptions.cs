namespace Jobs.Transactions;

/// <summary>How a process takes part in transactions with one of its own databases.</summary>
public sealed class ParticipantDatabaseOptions
{
    /// <summary>
    /// The least <c>max_prepared_transactions</c> of the server, checked at start; 1 to 100,000, default 10. Each branch takes one from its yes to its commit or abort, so it has to cover the branches of all
    /// processes that are under way on that server at one time.
    /// </summary>
    public int PreparedTransactions { get; set; } = 10;

    /// <summary>Whether the schema <c>jobs_participant</c> is created at start where it is missing. Default true. Off: run the statements of docs/TRANSACTIONS_POSTGRES.md first.</summary>
    public bool CreateTables { get; set; } = true;

    /// <summary>How often prepared transactions are looked through for such as nobody ends. 1 s to 1 h, default 5 s.</summary>
    public TimeSpan SweepEvery { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long one is prepared before the coordinator is asked what was decided, instead of waiting to be told. 0 to 1 h, default 10 s.</summary>
    public TimeSpan AskAfter { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long one is prepared before that is logged as an error: it holds its locks and keeps vacuum from its work. 1 s to 1 day, default 60 s.</summary>
    public TimeSpan AlertAfter { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>For how many days it is remembered of a branch that it was committed or aborted, and at least until its transaction has ended everywhere. 1 to 3,650, default 7.</summary>
    public int KeepDays { get; set; } = 7;

    internal IEnumerable<string> Faults(string name)
    {
        if (PreparedTransactions is < 1 or > 100_000)
        {
            yield return $"{nameof(PreparedTransactions)} of participant database \"{name}\" is {PreparedTransactions}; use 1 to 100,000.";
        }

        foreach (var (option, value, least, most) in new[]
        {
            (nameof(SweepEvery), SweepEvery, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
            (nameof(AskAfter), AskAfter, TimeSpan.Zero, TimeSpan.FromHours(1)),
            (nameof(AlertAfter), AlertAfter, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1)),
        })
        {
            if (value < least || value > most)
            {
                yield return $"{option} of participant database \"{name}\" is {value}; use {least} to {most}.";
            }
        }

        if (KeepDays is < 1 or > 3650)
        {
            yield return $"{nameof(KeepDays)} of participant database \"{name}\" is {KeepDays}; use 1 to 3,650.";
        }
    }
}
