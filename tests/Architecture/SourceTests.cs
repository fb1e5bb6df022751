using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace Jobs.Tests.Architecture;

/// <summary>Rules that are read off the sources and the assemblies.</summary>
public sealed partial class SourceTests
{
    private const int MostLines = 400;
    private const int MostInterfaces = 12;

    /// <summary>E4 is the arrival of a confirm: nothing is done there, so there is no instant before or after it; a comment says where it is.</summary>
    private static readonly string[] NothingToKillAt = ["E4"];

    [Fact]
    public void Crash_points_of_the_code_and_of_the_failures_page_are_the_same()
    {
        var page = Path.Combine(Repository.Root, "docs", "FAILURES.md");
        Assert.True(File.Exists(page), "docs/FAILURES.md is missing: it names every crash point in bold and says what heals it");
        var documented = BoldCrashPoint().Matches(File.ReadAllText(page)).Select(m => m.Groups["id"].Value).ToHashSet();
        var hit = Repository.Sources("src", ".cs").SelectMany(s => CrashPointHit().Matches(s.Text)).Select(m => m.Groups["id"].Value).ToHashSet();
        Assert.NotEmpty(hit);
        var noted = Repository.Sources("src", ".cs").SelectMany(s => CrashPointNote().Matches(s.Text)).Select(m => m.Groups["id"].Value).ToHashSet();
        Assert.Subset(noted, NothingToKillAt.ToHashSet());
        Assert.Equal(documented.Order(StringComparer.Ordinal), hit.Concat(NothingToKillAt).Order(StringComparer.Ordinal));
        Assert.Equal(["E1", "E2", "E3", "E4", "P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "T0", "T1", "T2", "T3", "T4", "T5", "T6", "T7", "X1", "X2", "X3", "X4", "X5", "X6", "X7"], documented.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Every_log_line_has_an_event_id_of_its_own()
    {
        var lines = (from room in Repository.Rooms
                     from type in Repository.Assembly(room).GetTypes()
                     from method in type.GetMethods(BindingFlags.Static | BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
                     let line = method.GetCustomAttribute<LoggerMessageAttribute>()
                     where line is not null
                     select (line.EventId, Room: room, Place: $"{room}/{type.Name}.{method.Name}")).ToList();
        Assert.True(lines.Count > 30, "the log lines were found");
        Repository.None(lines.GroupBy(l => l.EventId).Where(g => g.Count() > 1).Select(g => $"{g.Key}: {string.Join(", ", g.Select(l => l.Place))}"));
        Repository.None(lines.GroupBy(l => l.EventId / 100).Where(g => g.Select(l => l.Room).Distinct().Count() > 1).Select(g => $"{g.Key}xx is shared by two rooms"));
    }

    [Fact]
    public void Every_log_line_stands_in_the_rooms_list_of_them() =>
        Repository.None(Repository.Sources("src", ".cs").Where(s => !s.Path.EndsWith("/LogMessages.cs", StringComparison.Ordinal) && LogCall().IsMatch(s.Text)).Select(s => s.Path));

    [Fact]
    public void Every_source_file_fits_a_few_screens() => Repository.None(
        from source in Repository.Sources("src", ".cs", ".sql").Concat(Repository.Sources("tests", ".cs", ".sql").Where(s => !s.Path.EndsWith("/schema.sql", StringComparison.Ordinal)))
        let lines = source.Text.Count(c => c == '\n')
        where lines > MostLines
        select $"{source.Path}: {lines} lines");

    [Fact]
    public void Every_embedded_statement_is_used_and_every_used_one_exists()
    {
        var files = Repository.Sources("src/Postgres/Sql", ".sql").Select(s => Path.GetFileNameWithoutExtension(s.Path)).ToHashSet();
        var literals = Repository.Sources("src/Postgres", ".cs").SelectMany(s => StatementName().Matches(s.Text)).Select(m => m.Groups["name"].Value).ToHashSet();
        Repository.None(files.Except(literals));
        var used = Repository.Sources("src/Postgres", ".cs").SelectMany(s => StatementUse().Matches(s.Text)).Select(m => m.Groups["name"].Value).ToHashSet();
        Assert.NotEmpty(used);
        Repository.None(used.Except(files));
        var embedded = Repository.Assembly("Postgres").GetManifestResourceNames().Where(n => n.StartsWith("Sql/", StringComparison.Ordinal)).Select(n => n[4..^4]).ToHashSet();
        Assert.Equal(files.Order(StringComparer.Ordinal), embedded.Order(StringComparer.Ordinal));
    }

    /// <summary>Statements are text in files. What is said before there is a schema, or about a connection, stands in these.</summary>
    [Fact]
    public void Sql_stands_in_files_of_its_own() => Assert.Equal(
        ["src/Postgres/Database.cs", "src/Postgres/Migrator.cs", "src/Postgres/QuartzDatabase.cs"],
        Repository.Sources("src/Postgres", ".cs").Where(s => Literal().Matches(s.Text).Any(m => Arrows.IsSql(m.Groups["text"].Value))).Select(s => s.Path));

    [Fact]
    public void Migrations_are_numbered_without_gaps()
    {
        var numbers = Repository.Sources("src/Postgres/Migrations", ".sql").Select(s => Path.GetFileName(s.Path)[..5]).ToList();
        Assert.NotEmpty(numbers);
        Assert.Equal(Enumerable.Range(1, numbers.Count).Select(n => $"{n:D4}_"), numbers);
    }

    [Fact]
    public void There_are_few_public_interfaces()
    {
        var interfaces = Repository.Rooms.SelectMany(r => Repository.Assembly(r).GetExportedTypes()).Where(t => t.IsInterface).Select(t => t.Name).ToList();
        Assert.NotEmpty(interfaces);
        Assert.True(interfaces.Count <= MostInterfaces, $"{interfaces.Count} public interfaces: {string.Join(", ", interfaces)}");
    }

    [Fact]
    public void Classes_are_sealed_unless_something_derives_from_them()
    {
        var types = Repository.Rooms.SelectMany(r => Repository.Assembly(r).GetTypes()).ToList();
        var parents = types.Select(t => t.BaseType).Where(b => b is not null).Select(b => b!.IsGenericType ? b.GetGenericTypeDefinition() : b).ToHashSet();
        Repository.None(types.Where(t => t.IsClass && t.Name != "Program" && !t.IsSealed && !t.IsAbstract && !parents.Contains(t)).Select(t => t.FullName!));
    }

    [GeneratedRegex(@"\*\*(?<id>[EPTX][0-9]+)\*\*", RegexOptions.None, 1000)]
    private static partial Regex BoldCrashPoint();

    [GeneratedRegex("""CrashPoint\.Hit\("(?<id>\w+)"\)""", RegexOptions.None, 1000)]
    private static partial Regex CrashPointHit();

    [GeneratedRegex(@"//.*\b(?<id>[EPTX][0-9]+)\b", RegexOptions.None, 1000)]
    private static partial Regex CrashPointNote();

    [GeneratedRegex(@"\.Log(Trace|Debug|Information|Warning|Error|Critical)?\((?!Level\.)|LoggerMessage\(|LoggerMessage\.Define", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex LogCall();

    [GeneratedRegex("\"(?<name>[a-z_]+)\"", RegexOptions.None, 1000)]
    private static partial Regex StatementName();

    [GeneratedRegex(@"(Command\(|Sql\[|RunAsync\(connection, )\x22(?<name>[a-z_]+)\x22", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex StatementUse();

    [GeneratedRegex("\"(?<text>[^\"]*)\"", RegexOptions.None, 1000)]
    private static partial Regex Literal();
}
