namespace Jobs.Tests.Architecture;

/// <summary>A text that is committed and reviewed, and that the code must still produce.</summary>
internal static class Snapshot
{
    /// <summary>Compares; with <c>JOBS_ACCEPT=1</c> in the environment the committed file is written anew instead.</summary>
    public static void Check(string file, string actual)
    {
        var path = Path.Combine(Repository.Root, "tests", "Architecture", file);
        actual = actual.ReplaceLineEndings("\n");
        if (Environment.GetEnvironmentVariable("JOBS_ACCEPT") == "1")
        {
            File.WriteAllText(path, actual);
            return;
        }

        var expected = File.Exists(path) ? File.ReadAllText(path).ReplaceLineEndings("\n") : "";
        if (expected != actual)
        {
            Assert.Fail($"tests/Architecture/{file} is not what the code is now:\n{Difference(expected.Split('\n'), actual.Split('\n'))}\n"
                + $"If that is meant: JOBS_ACCEPT=1 ./run test Architecture, and commit {file}.");
        }
    }

    /// <summary>Lines that went (-) and came (+), in order: the shortest edit, by the longest common subsequence.</summary>
    public static string Difference(string[] old, string[] now)
    {
        var common = new int[old.Length + 1, now.Length + 1];
        for (var i = old.Length - 1; i >= 0; i--)
        {
            for (var j = now.Length - 1; j >= 0; j--)
            {
                common[i, j] = old[i] == now[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
            }
        }

        var lines = new List<string>();
        for (int i = 0, j = 0; i < old.Length || j < now.Length;)
        {
            if (i < old.Length && j < now.Length && old[i] == now[j])
            {
                (i, j) = (i + 1, j + 1);
            }
            else if (i < old.Length && (j == now.Length || common[i + 1, j] >= common[i, j + 1]))
            {
                lines.Add("- " + old[i++]);
            }
            else
            {
                lines.Add("+ " + now[j++]);
            }
        }

        return string.Join('\n', lines);
    }
}
