using Jobs.Transactions;

namespace Jobs.Tests.FaultHost;

/// <summary>Takes from an account of database <c>a</c>, with a prepared transaction.</summary>
[TransactionBranch("fault.debit")]
internal sealed record Debit(long N, string Account, long Amount, int Ms, bool Refuses);

/// <summary>Gives to an account of database <c>b</c>, with a prepared transaction.</summary>
[TransactionBranch("fault.credit")]
internal sealed record Credit(long N, string Account, long Amount, int Ms, bool Refuses);

/// <summary>A service with a log of its own for what it has promised, in plain tables of database <c>b</c>.</summary>
[TransactionBranch("fault.note")]
internal sealed record Note(long N, bool Refuses);

/// <summary>A step of a saga, in plain tables of database <c>b</c>.</summary>
[TransactionBranch("fault.book", Compensation = Compensation.ByStep)]
internal sealed record Book(long N, int Step, bool Refuses);

/// <summary>The last step, which cannot be undone.</summary>
[TransactionBranch("fault.tell", Compensation = Compensation.NoneNeeded)]
internal sealed record Tell(long N);

/// <summary>Transactions by their number, which alone says what each consists of and how it is to end: so it can be begun again by whoever finds its number in a ledger.</summary>
internal static class Transfers
{
    /// <summary>So many that no two transfers of one moment want the same: between two databases only a deadline would end a deadlock.</summary>
    public const int Accounts = 5000;
    public const long Balance = 1_000_000;

    public static bool IsSaga(long n) => n % 3 == 0;

    /// <summary>A quarter of them has a branch that votes no.</summary>
    public static bool Commits(long n) => n / 9 % 4 != 1;

    public static long Amount(long n) => 1 + (n % 50);

    /// <param name="n">Its number.</param>
    /// <param name="id">Its id.</param>
    /// <param name="timeout">Its deadline.</param>
    /// <param name="ms">How long the work of its prepared branches takes.</param>
    public static TransactionPlan Plan(long n, TransactionId id, TimeSpan timeout, int ms = 0)
    {
        var account = $"{n * 7919 % Accounts}";
        return IsSaga(n)
            ? new Saga("trip") { Id = id, Timeout = timeout }.Then(new Book(n, 1, Refuses(0))).And(new Book(n, 2, Refuses(1))).Then(new Book(n, 3, Refuses(2))).Then(new Tell(n))
            : new TwoPhase("transfer") { Id = id, Timeout = timeout }.Add(new Debit(n, account, Amount(n), ms, Refuses(0))).Add(new Credit(n, account, Amount(n), ms, Refuses(1))).Add(new Note(n, Refuses(2)));

        bool Refuses(int branch) => !Commits(n) && n / 3 % 3 == branch;
    }
}
