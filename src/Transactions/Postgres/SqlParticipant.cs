using System.Reflection;
using System.Text.RegularExpressions;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>
/// A <see cref="PostgresParticipant{TBranch}"/> whose work is one statement. Where <c>@Name</c> stands in it, the branch's property of that name is put in as a parameter. It votes yes if the statement
/// changed a row:
/// <code>
/// sealed class Debit([FromKeyedServices("bank")] ParticipantDatabase bank) : SqlParticipant&lt;DebitBranch&gt;(bank,
///     "update account set balance = balance - @Amount where id = @Account and balance >= @Amount", "There is no such account, or too little on it.");
/// </code>
/// </summary>
public abstract partial class SqlParticipant<TBranch> : PostgresParticipant<TBranch>
{
    private static readonly Dictionary<string, PropertyInfo> Properties =
        typeof(TBranch).GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.CanRead && p.GetIndexParameters().Length == 0).ToDictionary(p => p.Name);

    private readonly string _statement;
    private readonly string _otherwise;
    private readonly List<PropertyInfo> _parameters;

    /// <param name="database">The database.</param>
    /// <param name="statement">One insert, update, delete or merge; not a literal from outside.</param>
    /// <param name="otherwise">The reason of the no when it changed no row.</param>
    /// <exception cref="ArgumentException">The statement or the reason is empty, or the branch has no property of a name that stands in it.</exception>
    protected SqlParticipant(ParticipantDatabase database, string statement, string otherwise)
        : base(database)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(statement);
        ArgumentException.ThrowIfNullOrWhiteSpace(otherwise);
        (_statement, _otherwise) = (statement, otherwise);
        _parameters = [.. Named().Matches(Literal().Replace(statement, "")).Select(m => m.Groups["name"].Value).Distinct().Select(name => Properties.GetValueOrDefault(name) ?? throw new ArgumentException(
            $"The statement of {GetType().Name} names @{name}, and {typeof(TBranch).Name} has no such public property; it has {string.Join(", ", Properties.Keys)}.", nameof(statement)))];
    }

    /// <inheritdoc/>
    protected sealed override async Task<Vote> WorkAsync(TBranch branch, NpgsqlConnection connection, BranchContext context, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(_statement, connection);
        foreach (var property in _parameters)
        {
            command.Parameters.Add(new NpgsqlParameter(property.Name, property.GetValue(branch) ?? DBNull.Value));
        }

        return await command.ExecuteNonQueryAsync(ct) > 0 ? Vote.Yes : Vote.No(_otherwise);
    }

    [GeneratedRegex(@"(?<![@\w<>])@(?<name>[A-Za-z_]\w*)", RegexOptions.None, 1000)]
    private static partial Regex Named();

    [GeneratedRegex("'[^']*'", RegexOptions.None, 1000)]
    private static partial Regex Literal();
}
