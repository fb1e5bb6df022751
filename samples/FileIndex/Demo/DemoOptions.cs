namespace FileIndex.Demo;

/// <summary>What the demo was asked to do.</summary>
internal sealed record DemoOptions(string Folder, int Workers, bool Kill, bool Json)
{
    public const string Help = """
        ./run demo [FOLDER] [--workers N] [--no-kill] [--json]

        Indexes every file of a folder (default: that of the .NET SDK) with real jobs: a producer, three workers and a scheduler, each a process of its
        own. Once a third is done, one worker is killed and replaced. At the end every file is checked without the platform.

          --workers N   1 to 32 worker processes; default 3
          --no-kill     let all of them live
          --json        one object on stdout; progress on stderr

        Exit code: 0 all is well; 1 a difference, or it could not be run; 2 wrong usage.
        """;

    private const int MaxWorkers = 32;

    /// <exception cref="DemoException">Wrong usage.</exception>
    public static DemoOptions Parse(IReadOnlyList<string> args)
    {
        string? folder = null;
        var (workers, kill, json) = (3, true, false);
        for (var i = 0; i < args.Count; i++)
        {
            switch (args[i])
            {
                case "--json":
                    json = true;
                    break;
                case "--no-kill":
                    kill = false;
                    break;
                case "--workers":
                    workers = Count(++i < args.Count ? args[i] : "");
                    break;
                case var arg when arg.StartsWith("--workers=", StringComparison.Ordinal):
                    workers = Count(arg["--workers=".Length..]);
                    break;
                case var arg when arg.StartsWith('-') || folder is not null:
                    throw new DemoException($"\"{arg}\" is not understood. Usage: ./run demo [FOLDER] [--workers N] [--no-kill] [--json]", DemoException.Usage);
                case var arg:
                    folder = arg;
                    break;
            }
        }

        return new DemoOptions(Check(folder), workers, kill, json);
    }

    private static int Count(string text) => int.TryParse(text, out var count) && count is >= 1 and <= MaxWorkers ? count
        : throw new DemoException($"--workers \"{text}\" is not allowed; use 1 to {MaxWorkers}.", DemoException.Usage);

    private static string Check(string? folder)
    {
        if (folder is null)
        {
            return FileIndex.Folder.OfSdk()
                ?? throw new DemoException("There is no .NET SDK beside this runtime to index; name a folder: ./run demo FOLDER", DemoException.Usage);
        }

        return Directory.Exists(folder) ? Path.GetFullPath(folder)
            : throw new DemoException(File.Exists(folder)
                ? $"\"{folder}\" is a file; name the folder it is in: ./run demo FOLDER"
                : $"The folder \"{folder}\" does not exist; name one that does: ./run demo FOLDER", DemoException.Usage);
    }
}
