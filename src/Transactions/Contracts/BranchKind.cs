using System.Reflection;

namespace Jobs.Transactions;

/// <summary>The attribute of a branch's record, read and checked once.</summary>
internal static class BranchKind<TBranch>
{
    /// <exception cref="InvalidOperationException">No attribute, or one that breaks a rule.</exception>
    public static TransactionBranchAttribute Info => field ??= Check();

    private static TransactionBranchAttribute Check()
    {
        var name = typeof(TBranch).Name;
        var info = typeof(TBranch).GetCustomAttribute<TransactionBranchAttribute>()
            ?? throw new InvalidOperationException($"{name} is not a branch: it has no [TransactionBranch] attribute. Write [TransactionBranch(\"{char.ToLowerInvariant(name[0])}{name[1..]}\")] above it.");
        try
        {
            NameRule.Check(info.Kind, "kind");
            NameRule.Check(BranchJob.TypeOf(info.Kind), "job type of the kind");
            _ = new QueueName(info.Queue);
            return info;
        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException($"The [TransactionBranch] attribute of {name} breaks a rule. {e.Message}", e);
        }
    }
}
