using System.Reflection;

namespace Jobs;

/// <summary>The attribute of a job record, read and checked once.</summary>
internal static class JobType<TJob>
{
    private static readonly JobAttribute? Attribute = typeof(TJob).GetCustomAttribute<JobAttribute>();

    /// <exception cref="InvalidOperationException">No attribute, or one that breaks a rule.</exception>
    public static JobAttribute Info => field ??= Check();

    /// <summary>The policy of the record's <see cref="UniqueAttribute"/>, if it has one.</summary>
    public static Unique? Unique { get; } = typeof(TJob).GetCustomAttribute<UniqueAttribute>()?.Policy();

    private static JobAttribute Check()
    {
        var name = typeof(TJob).Name;
        if (Attribute is null)
        {
            throw new InvalidOperationException($"{name} is not a job: it has no [Job] attribute. Write [Job(\"{char.ToLowerInvariant(name[0])}{name[1..]}\")] above it.");
        }

        try
        {
            NameRule.Check(Attribute.Type, "job type");
            _ = new QueueName(Attribute.Queue);
            if (Attribute.TimeoutSeconds != 0)
            {
                Delays.CheckTimeout(TimeSpan.FromSeconds(Attribute.TimeoutSeconds));
            }

            if (Attribute.ExpiresSeconds != 0)
            {
                Delays.CheckExpiry(TimeSpan.FromSeconds(Attribute.ExpiresSeconds));
            }

        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException($"The [Job] attribute of {name} breaks a rule. {e.Message}", e);
        }

        return Unique?.Fault() is { } fault ? throw new InvalidOperationException($"The [Unique] attribute of {name} breaks a rule. {fault}") : Attribute;
    }
}
