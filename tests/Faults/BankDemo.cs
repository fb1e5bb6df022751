using System.Diagnostics;
using System.Text.Json;
using Bank;
using LedgerFile = Bank.LedgerFile;
using Note = Bank.Note;

namespace Jobs.Tests.Faults;

/// <summary>`./run demo transactions`, small: transfers between two databases and a ledger while everybody is killed, and an audit that is seen to fail.</summary>
[Collection(ServersCollection.Name)]
public sealed class BankDemo(ServersFixture fixture, ITestOutputHelper output)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task Everybodys_books_agree_after_coordinators_and_participants_were_killed()
    {
        var (exitCode, figures) = await RunAsync("--transfers", "100", "--trips", "10", "--seed", "7", "--kill-every", "0.8");

        Assert.Equal(0, exitCode);
        Assert.Equal(100, Number("transfers"));
        Assert.Equal(100, Number("committed") + Number("aborted"));
        Assert.InRange(Number("committed"), 65, 99);
        Assert.InRange(Number("kills"), 2, int.MaxValue);
        Assert.Equal(2_000_000m, figures.GetProperty("total_before").GetDecimal());
        Assert.Equal(2_000_000m, figures.GetProperty("total_after").GetDecimal());
        Assert.InRange(Number("samples"), 2, int.MaxValue);
        Assert.InRange(Number("trips_failed"), 1, 9);
        foreach (var none in new[] { "negative_accounts", "mixed", "in_doubt", "samples_wrong", "faults" })
        {
            Assert.True(Number(none) == 0, $"{none} is {Number(none)}");
        }

        Assert.InRange(figures.GetProperty("seconds").GetDouble(), 0.001, Limit.TotalSeconds);
        for (var n = 0; n < Number("kills"); n++)
        {
            Tally.Kill();
        }

        int Number(string name) => figures.GetProperty(name).GetInt32();
    }

    [Fact]
    public async Task The_audit_finds_every_way_of_falsifying_the_books()
    {
        var (exitCode, figures) = await RunAsync("--transfers", "20", "--trips", "5", "--no-kill", "--tamper");

        Assert.Equal(1, exitCode);
        Assert.Equal(0, figures.GetProperty("faults").GetInt32()); // before
        var found = figures.GetProperty("tampered").EnumerateObject().ToDictionary(p => p.Name, p => p.Value.GetInt32());
        Assert.Equal(0, found["restored"]);
        found.Remove("restored");
        Assert.Equal(13, found.Count);
        Assert.All(found, way => Assert.True(way.Value > 0, $"{way.Key} was not found"));
    }

    [Fact]
    public async Task A_ledger_that_was_killed_while_it_wrote_knows_all_that_it_has_answered()
    {
        var path = Path.Combine(Directory.CreateTempSubdirectory("jobs-ledger-").FullName, "book");
        var (kept, ended, torn) = (Guid.CreateVersion7(), Guid.CreateVersion7(), Guid.CreateVersion7());
        var note = new Note(1, "a1", "b2", 100);
        await using (var file = new LedgerFile(path))
        {
            Assert.Throws<IOException>(() => { _ = new LedgerFile(path); }); // one process has it
            Assert.Equal(LedgerVerb.Prepare, await file.WriteAsync(LedgerVerb.Prepare, kept, 1, note, default));
            await file.WriteAsync(LedgerVerb.Prepare, ended, 1, note, default);
            Assert.Equal(LedgerVerb.Abort, await file.WriteAsync(LedgerVerb.Abort, ended, 5, note, default));
        }

        var whole = await File.ReadAllBytesAsync(path);
        await File.AppendAllTextAsync(path, new LedgerEntry(LedgerVerb.Prepare, torn, 1, note).ToString()[..^4]);
        await using (var file = new LedgerFile(path))
        {
            Assert.Equal(whole.Length, new FileInfo(path).Length);
            Assert.Equal(LedgerVerb.Abort, await file.WriteAsync(LedgerVerb.Prepare, ended, 6, note, default));
            await Assert.ThrowsAsync<InvalidOperationException>(() => file.WriteAsync(LedgerVerb.Prepare, ended, 5, note, default)); // late
            await Assert.ThrowsAsync<InvalidOperationException>(() => file.WriteAsync(LedgerVerb.Commit, torn, 1, note, default)); // nobody was told of its prepare
            Assert.Equal(LedgerVerb.Commit, await file.WriteAsync(LedgerVerb.Commit, kept, 2, note, default));
            Assert.Equal(LedgerVerb.Commit, await file.WriteAsync(LedgerVerb.Abort, kept, 3, note, default));
        }

        var damaged = await File.ReadAllBytesAsync(path);
        damaged[3] ^= 1;
        Assert.Throws<InvalidDataException>(() => LedgerFile.Read(damaged));
        Directory.Delete(Path.GetDirectoryName(path)!, recursive: true);
    }

    private async Task<(int ExitCode, JsonElement Figures)> RunAsync(params string[] arguments)
    {
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
            [Path.Combine(AppContext.BaseDirectory, "Bank.dll"), "demo", "--json", .. arguments])
        {
            UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["JOBS_POSTGRES"] = fixture.Servers.Postgres;
        start.Environment["JOBS_RABBITMQ"] = fixture.Servers.RabbitMq;
        using var demo = Process.Start(start)!;
        demo.ErrorDataReceived += (_, e) => output.WriteLine(e.Data ?? "");
        demo.BeginErrorReadLine();
        using var deadline = new CancellationTokenSource(Limit);
        try
        {
            var json = await demo.StandardOutput.ReadToEndAsync(deadline.Token);
            await demo.WaitForExitAsync(deadline.Token);
            output.WriteLine(json);
            return (demo.ExitCode, JsonDocument.Parse(json).RootElement);
        }
        finally
        {
            if (!demo.HasExited)
            {
                demo.Kill(); // its processes end with it
            }
        }
    }
}
