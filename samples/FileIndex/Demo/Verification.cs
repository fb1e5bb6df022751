using System.Security.Cryptography;
using Npgsql;

namespace FileIndex.Demo;

/// <summary>What the check found. Everything in <see cref="Faults"/>, and every missing or mismatched file, is a difference.</summary>
internal sealed class Findings
{
    /// <summary>Files that are there and can be read.</summary>
    public long Files { get; set; }

    /// <summary>Jobs with exactly one row in history, which says succeeded.</summary>
    public long Succeeded { get; set; }

    /// <summary>Files without a result.</summary>
    public List<string> Missing { get; } = [];

    /// <summary>Files whose digest, size or line count is another than was stored.</summary>
    public List<string> Mismatched { get; } = [];

    /// <summary>Anything else that must not be: jobs recorded twice, left over, or failed without a reason that we see too.</summary>
    public List<string> Faults { get; } = [];

    /// <summary>Written, made or removed while the demo ran: nothing can be said about these.</summary>
    public List<string> Changed { get; } = [];

    /// <summary>We may not read these either.</summary>
    public List<string> Unreadable { get; } = [];

    public bool AllIsWell => Missing.Count + Mismatched.Count + Faults.Count == 0;
}

/// <summary>
/// Walks the folder again and compares every file with what was stored. On purpose it shares no code with the walk of the producer or with the handler:
/// its own recursion, a digest of the whole stream, and the lines counted one byte at a time.
/// </summary>
internal sealed class Verification
{
    /// <summary>File systems stamp times a little coarser than clocks tell them.</summary>
    private static readonly TimeSpan Coarse = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, (string Sha256, long Size, long Lines)> _stored = [];
    private readonly Dictionary<string, string> _failed = [];
    private readonly Findings _findings = new();
    private readonly byte[] _buffer = new byte[1 << 20];
    private readonly DateTime _began;
    private readonly CancellationToken _stop;

    private Verification(DateTimeOffset began, CancellationToken stop) => (_began, _stop) = ((began - Coarse).UtcDateTime, stop);

    public static async Task<Findings> RunAsync(Stage stage, string folder, long enqueued, DateTimeOffset began, CancellationToken ct)
    {
        var check = new Verification(began, ct);
        await check.ReadStoredAsync(stage.Database);
        await check.CheckHistoryAsync(stage.Database, enqueued);
        await Task.Run(() => check.CheckFolder(new DirectoryInfo(folder)), ct);
        check.CheckFailures();
        return check._findings;
    }

    private void CheckFolder(DirectoryInfo folder)
    {
        List<FileSystemInfo> entries;
        try
        {
            entries = [.. folder.EnumerateFileSystemInfos()];
        }
        catch (Exception e) when (e is UnauthorizedAccessException or DirectoryNotFoundException)
        {
            _findings.Unreadable.Add(folder.FullName);
            return;
        }

        foreach (var entry in entries)
        {
            _stop.ThrowIfCancellationRequested();
            switch (entry)
            {
                case { LinkTarget: not null }:
                    break;
                case DirectoryInfo inner:
                    CheckFolder(inner);
                    break;
                case FileInfo file when file is not { Exists: true, Length: 0 } || Folder.IsRegular(file.FullName):
                    CheckFile(file);
                    break;
            }
        }
    }

    private void CheckFile(FileInfo file)
    {
        var path = file.FullName;
        var stored = _stored.TryGetValue(path, out var found);
        string digest;
        long size, lines = 0;
        try
        {
            using var stream = File.OpenRead(path);
            digest = Convert.ToHexStringLower(SHA256.HashData(stream));
            size = stream.Length;
            stream.Position = 0;
            for (int read; (read = stream.Read(_buffer)) > 0;)
            {
                for (var i = 0; i < read; i++)
                {
                    lines += _buffer[i] == '\n' ? 1 : 0;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            (stored ? _findings.Changed : _findings.Unreadable).Add(path);
            _failed.Remove(path);
            return;
        }

        _findings.Files++;
        if (stored && found == (digest, size, lines))
        {
            return;
        }

        if (file.LastWriteTimeUtc >= _began || file.CreationTimeUtc >= _began)
        {
            _findings.Changed.Add(path);
            _failed.Remove(path);
        }
        else if (!stored)
        {
            _findings.Missing.Add(path);
        }
        else
        {
            _findings.Mismatched.Add($"{path}: stored {found.Sha256}, {found.Size} bytes, {found.Lines} lines; it is {digest}, {size} bytes, {lines} lines");
        }
    }

    /// <summary>What is left here failed for a reason that we cannot see, unless the file is gone.</summary>
    private void CheckFailures()
    {
        foreach (var (path, error) in _failed)
        {
            if (File.Exists(path))
            {
                _findings.Faults.Add($"{path}: its job failed: {error}");
            }
            else
            {
                _findings.Changed.Add(path);
            }
        }
    }

    private async Task ReadStoredAsync(NpgsqlDataSource database)
    {
        await using (var command = database.CreateCommand("select path, sha256, size, lines from file_result"))
        await using (var reader = await command.ExecuteReaderAsync(_stop))
        {
            while (await reader.ReadAsync(_stop))
            {
                _stored.Add(reader.GetString(0), (reader.GetString(1), reader.GetInt64(2), reader.GetInt64(3)));
            }
        }

        await using (var command = database.CreateCommand("select args->>'path', coalesce(errors->-1->>'message', 'no reason is given') from history where state <> 'succeeded'"))
        await using (var reader = await command.ExecuteReaderAsync(_stop))
        {
            while (await reader.ReadAsync(_stop))
            {
                _failed[reader.GetString(0)] = reader.GetString(1);
            }
        }
    }

    /// <summary>One row for each job and one job for each file, all of them ended.</summary>
    private async Task CheckHistoryAsync(NpgsqlDataSource database, long enqueued)
    {
        await using var command = database.CreateCommand("""
            with ended as (select id, count(*) as rows, bool_and(state = 'succeeded') as well, min(args->>'path') as path from history group by id)
            select count(*), count(*) filter (where rows = 1 and well), count(*) filter (where rows > 1), count(*) - count(distinct path), (select count(*) from job) from ended
            """);
        await using var reader = await command.ExecuteReaderAsync(_stop);
        await reader.ReadAsync(_stop);
        var (jobs, twice, samePath, left) = (reader.GetInt64(0), reader.GetInt64(2), reader.GetInt64(3), reader.GetInt64(4));
        _findings.Succeeded = reader.GetInt64(1);
        Expect(jobs == enqueued, $"{enqueued:N0} jobs were enqueued but {jobs:N0} are in history");
        Expect(twice == 0, $"the end of {twice:N0} jobs was recorded more than once");
        Expect(samePath == 0, $"{samePath:N0} jobs are for a file that another job is for too");
        Expect(left == 0, $"{left:N0} jobs have not ended");
    }

    private void Expect(bool holds, string otherwise)
    {
        if (!holds)
        {
            _findings.Faults.Add(otherwise);
        }
    }
}
