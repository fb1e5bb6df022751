using System.Collections.Frozen;
using System.Reflection;
using System.Text.RegularExpressions;

namespace Jobs.Postgres;

/// <summary>The SQL files of this room, ready to run: <c>jobs.</c> replaced by the configured schema, each named by a comment for pg_stat_activity.</summary>
internal sealed partial class Statements
{
    private static readonly Assembly Room = typeof(Statements).Assembly;
    private readonly FrozenDictionary<string, string> _sql;

    public Statements(string schema) => _sql = Files("Sql/")
        .ToFrozenDictionary(f => f.Name, f => $"/* {schema}:{f.Name} */ {InSchema(StripComments(f.Text), schema)}");

    /// <summary>The statement in the file of this name, without its ending.</summary>
    public string this[string name] => _sql[name];

    public static IEnumerable<(string Name, string Text)> Files(string folder) =>
        from resource in Room.GetManifestResourceNames()
        where resource.StartsWith(folder, StringComparison.Ordinal)
        orderby resource
        select (resource[folder.Length..^".sql".Length], Read(resource));

    public static string InSchema(string sql, string schema) => schema == "jobs" ? sql : SchemaName().Replace(sql, schema + ".");

    private static string StripComments(string sql) => Comment().Replace(sql, "").Trim();

    private static string Read(string resource)
    {
        using var reader = new StreamReader(Room.GetManifestResourceStream(resource)!);
        return reader.ReadToEnd();
    }

    [GeneratedRegex(@"\bjobs\.(?=[a-z_%])", RegexOptions.None, 1000)]
    private static partial Regex SchemaName();

    [GeneratedRegex(@"^\s*--.*$\n?", RegexOptions.Multiline, 1000)]
    private static partial Regex Comment();
}
