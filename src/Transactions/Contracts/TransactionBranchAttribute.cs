namespace Jobs.Transactions;

/// <summary>Names the kind of work that a branch or a step stands for. The name, never the CLR type, is what is stored: rename the record freely.</summary>
/// <param name="kind">For example <c>bank.debit</c>: 1 to 100 of <c>a-z A-Z 0-9 . _ -</c>, starting with a letter or digit.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, Inherited = false)]
public sealed class TransactionBranchAttribute(string kind) : Attribute
{
    /// <summary>The queue of branches that name none: <c>transactions</c>.</summary>
    public const string DefaultQueue = "transactions";

    /// <summary>The stable name.</summary>
    public string Kind { get; } = kind;

    /// <summary>The queue of its jobs. Default <c>transactions</c>.</summary>
    public string Queue { get; set; } = DefaultQueue;

    /// <summary>What makes up for it in a saga. A record that does not say is refused there. Of no meaning in two-phase transactions.</summary>
    public Compensation Compensation { get; set; }
}

/// <summary>What makes up for a done step of a saga that failed.</summary>
public enum Compensation
{
    /// <summary>Nobody has thought of it: no saga takes it.</summary>
    Unsaid,
    /// <summary><see cref="ISagaStep{TStep}.CompensateAsync"/> does.</summary>
    ByStep,
    /// <summary>Nothing has to: it changes nothing, or nothing that anybody minds.</summary>
    NoneNeeded,
}
