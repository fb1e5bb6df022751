using System.Collections.Frozen;
using System.Text.RegularExpressions;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>
/// What is said to a participant's own database, one statement a file. That is not the engine's database and nothing here is about jobs, so it is not the business of the room <c>Postgres</c>.
/// </summary>
internal static partial class ParticipantSql
{
    private const string Folder = "Postgres/Sql/";

    private static readonly FrozenDictionary<string, string> Texts = typeof(ParticipantSql).Assembly.GetManifestResourceNames()
        .Where(n => n.StartsWith(Folder, StringComparison.Ordinal))
        .ToFrozenDictionary(n => n[Folder.Length..^".sql".Length], Read);

    /// <summary>The statement in the file of this name; the documentation shows the tables' one to those who create them by hand.</summary>
    public static string Text(string name) => Texts[name];

    /// <summary>The named statement with its parameters in order. Disposing it returns its connection.</summary>
    public static NpgsqlCommand Participant(this NpgsqlDataSource source, string name, params ReadOnlySpan<object> values)
    {
        var command = source.CreateCommand(Texts[name]);
        foreach (var value in values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value });
        }

        return command;
    }

    private static string Read(string resource)
    {
        using var reader = new StreamReader(typeof(ParticipantSql).Assembly.GetManifestResourceStream(resource)!);
        return Comment().Replace(reader.ReadToEnd(), "").Trim();
    }

    [GeneratedRegex(@"^\s*--.*$\n?", RegexOptions.Multiline, 1000)]
    private static partial Regex Comment();
}
