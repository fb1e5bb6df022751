using System.Reflection;

namespace Jobs.Tests.Architecture;

/// <summary>The checkout that these tests were built from.</summary>
internal static class Repository
{
    public static readonly string Root = Find();

    /// <summary>Every room of <c>src/</c>, by its folder's name.</summary>
    public static IEnumerable<string> Rooms => Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories)
        .Select(Path.GetDirectoryName).Select(d => Path.GetRelativePath(Path.Combine(Root, "src"), d!)).Order(StringComparer.Ordinal);

    public static string ProjectFile(string room) => Directory.GetFiles(Path.Combine(Root, "src", room), "*.csproj").Single();

    public static Assembly Assembly(string room)
    {
        var text = File.ReadAllText(ProjectFile(room));
        const string Open = "<AssemblyName>";
        var start = text.IndexOf(Open, StringComparison.Ordinal) + Open.Length;
        return System.Reflection.Assembly.Load(text[start..text.IndexOf('<', start)]);
    }

    /// <summary>The files that people write, by path from the root.</summary>
    public static IEnumerable<(string Path, string Text)> Sources(string under, params string[] endings) =>
        from file in Directory.EnumerateFiles(Path.Combine(Root, under), "*", SearchOption.AllDirectories)
        let path = Path.GetRelativePath(Root, file).Replace('\\', '/')
        where endings.Any(e => path.EndsWith(e, StringComparison.Ordinal)) && !path.Contains("/bin/", StringComparison.Ordinal) && !path.Contains("/obj/", StringComparison.Ordinal)
        orderby path
        select (path, File.ReadAllText(file));

    /// <summary>Fails with every one of them, a line each.</summary>
    public static void None(IEnumerable<string> faults) => Assert.True(faults.ToList() is [], string.Join('\n', faults));

    private static string Find()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Jobs.sln")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException($"No Jobs.sln above {AppContext.BaseDirectory}: these tests read the sources beside them.");
        }

        return folder;
    }
}
