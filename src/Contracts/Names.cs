using System.Buffers;

namespace Jobs;

/// <summary>The rule for queue names and job types, in one place.</summary>
internal static class NameRule
{
    public const int MaxLength = 100;
    private const string Letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    private static readonly SearchValues<char> First = SearchValues.Create(Letters);
    private static readonly SearchValues<char> Allowed = SearchValues.Create(Letters + "._-");

    /// <summary>Keys are the caller's own words: any characters but control characters.</summary>
    public static string? KeyFault(string? value, string what) =>
        string.IsNullOrEmpty(value) ? $"The {what} is empty; give it 1 to {Unique.MaxKeyLength} characters."
        : value.Length > Unique.MaxKeyLength ? $"The {what} \"{value[..24]}...\" has {value.Length} characters; at most {Unique.MaxKeyLength} are allowed."
        : value.Any(char.IsControl) ? $"The {what} holds a control character; use printable ones."
        : null;

    /// <summary>Whether it can be written in UTF-8: no half of a surrogate pair.</summary>
    public static bool IsUnicode(string text)
    {
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsSurrogate(text[i]) && (++i == text.Length || !char.IsSurrogatePair(text[i - 1], text[i])))
            {
                return false;
            }
        }

        return true;
    }

    public static string Check(string? value, string what)
    {
        var fault = Fault(value, what);
        return fault is null ? value! : throw new ArgumentException(fault, what);
    }

    public static string? Fault(string? value, string what) =>
        string.IsNullOrEmpty(value) ? $"The {what} is empty; give it 1 to {MaxLength} characters."
        : value.Length > MaxLength ? $"The {what} \"{value[..24]}...\" has {value.Length} characters; at most {MaxLength} are allowed."
        : !First.Contains(value[0]) || value.AsSpan().ContainsAnyExcept(Allowed)
            ? $"The {what} \"{value}\" is not allowed; use letters, digits, '.', '_' and '-', starting with a letter or a digit."
        : null;
}

/// <summary>A named line of jobs: the RabbitMQ quorum queue <c>jobs.&lt;name&gt;</c>. 1 to 100 letters, digits, <c>. _ -</c>; not <c>malformed</c> and not <c>submit</c>.</summary>
public readonly record struct QueueName
{
    /// <summary>The queue of jobs that name none: <c>default</c>.</summary>
    public static readonly QueueName Default = new("default");

    /// <summary>Where what is not a ticket ends up; no queue of jobs may have this name.</summary>
    internal const string Malformed = "malformed";

    /// <summary>Where other programs' messages wait to become jobs, and the exchange in front of it; no queue of jobs may have this name.</summary>
    internal const string Submit = "submit";

    private readonly string? _value;

    /// <exception cref="ArgumentException">The name breaks the rule; the message says how.</exception>
    public QueueName(string value)
    {
        NameRule.Check(value, "queue name");
        _value = value switch
        {
            Malformed => throw new ArgumentException($"The queue name \"{Malformed}\" is taken by the queue for messages that are not tickets; choose another.", nameof(value)),
            Submit => throw new ArgumentException($"The queue name \"{Submit}\" is taken by the queue for jobs that come in over AMQP; choose another.", nameof(value)),
            _ => value,
        };
    }

    /// <summary>The name.</summary>
    public string Value => _value ?? "default";

    /// <summary>A queue name is written as a string.</summary>
    public static implicit operator QueueName(string value) => new(value);

    /// <inheritdoc/>
    public override string ToString() => Value;
}

/// <summary>How urgent a job is within its queue: 0 to 31, higher first, strictly; 0 and 1 share a level, first come first served.</summary>
public readonly record struct JobPriority : IComparable<JobPriority>
{
    /// <summary>0.</summary>
    public static readonly JobPriority Lowest = new(0);
    /// <summary>8.</summary>
    public static readonly JobPriority Low = new(8);
    /// <summary>16, the default.</summary>
    public static readonly JobPriority Normal = new(16);
    /// <summary>24.</summary>
    public static readonly JobPriority High = new(24);
    /// <summary>31.</summary>
    public static readonly JobPriority Highest = new(31);

    /// <exception cref="ArgumentOutOfRangeException">Not 0 to 31.</exception>
    public JobPriority(int value) => Value = value is >= 0 and <= 31 ? (byte)value
        : throw new ArgumentOutOfRangeException(nameof(value), value, $"The priority {value} is not allowed; use 0 (lowest) to 31 (highest).");

    /// <summary>0 to 31.</summary>
    public byte Value { get; }

    /// <summary>A priority is written as a number.</summary>
    public static implicit operator JobPriority(int value) => new(value);

    /// <inheritdoc/>
    public int CompareTo(JobPriority other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}
