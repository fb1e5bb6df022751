using System.Text.RegularExpressions;
using Jobs.Postgres;

namespace Jobs.Tests.Engine;

/// <summary>
/// The schema of one test, all migrations at once: setting it up and dropping it is half of what the database does in a test run. Its partitions reach to tomorrow and not two weeks ahead, which is
/// most of that; a scheduler makes the others. That migrations work as they are really applied is for <see cref="MigrationTests"/>.
/// </summary>
internal static partial class Schemas
{
    private static readonly (string Name, string Text)[] Migrations = [.. Statements.Files("Migrations/").Select(m => (m.Name, Partitions().Replace(m.Text, "select jobs.make_partitions(interval '1 day')")))];

    public static string Script(string schema) => string.Concat(Migrations.Select((m, i) => Migrator.Step(schema, i + 1, m.Name, m.Text)));

    [GeneratedRegex(@"select jobs\.make_partitions\(interval '14 days'\)", RegexOptions.None, 1000)]
    private static partial Regex Partitions();
}
