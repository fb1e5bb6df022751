using System.Diagnostics.CodeAnalysis;

namespace Jobs.Transactions;

/// <summary>Which transaction. A UUID of version 7, made by whoever begins it.</summary>
/// <param name="Value">The UUID.</param>
public readonly record struct TransactionId(Guid Value)
{
    /// <summary>A new one.</summary>
    public static TransactionId New() => new(JobId.New().Value);

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TransactionId id)
    {
        var read = Guid.TryParse(text, out var value);
        id = new TransactionId(value);
        return read;
    }

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}
