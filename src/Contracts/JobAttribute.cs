namespace Jobs;

/// <summary>Names the kind of work that a record stands for. The name, never the CLR type, is what is stored: rename the record freely.</summary>
/// <param name="type">The job type, for example <c>mail.welcome</c>: 1 to 100 of <c>a-z A-Z 0-9 . _ -</c>, starting with a letter or digit.</param>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct, Inherited = false)]
public sealed class JobAttribute(string type) : Attribute
{
    /// <summary>The stable name of this kind of work.</summary>
    public string Type { get; } = type;

    /// <summary>The queue its jobs go to unless the enqueue names another. Default <c>default</c>.</summary>
    public string Queue { get; set; } = QueueName.Default.Value;

    /// <summary>How long an attempt may take, in seconds, unless the enqueue says otherwise. Default 0: for ever. Up to 30 days.</summary>
    public double TimeoutSeconds { get; set; }

    /// <summary>Not worth starting later than this many seconds after the enqueue, unless the enqueue says otherwise. Default 0: always worth it. Up to 10 years.</summary>
    public double ExpiresSeconds { get; set; }
}
