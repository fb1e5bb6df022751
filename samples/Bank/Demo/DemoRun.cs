using FileIndex.Demo;
using Npgsql;

namespace Bank.Demo;

/// <summary>One run from the empty stage to the report.</summary>
internal sealed class DemoRun(DemoOptions options, View view)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    /// <summary>Long enough for every rescue, retry and deadline there is; silence beyond it is a fault.</summary>
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(90);

    private readonly TimeProvider _time = TimeProvider.System;
    private readonly List<ChildProcess> _children = [];
    private readonly List<Service> _services = [];
    private Stage _stage = null!;

    public async Task<Report> RunAsync(CancellationToken ct)
    {
        Environment.SetEnvironmentVariable("BANK_SEED", options.Seed.ToString());
        view.Say("two databases with 1,000 accounts each, and a ledger");
        await using var stage = _stage = await Stage.SetUpAsync(options.Trips, ct);
        try
        {
            var report = await PlayAsync(ct);
            if (!report.AllIsWell && !options.Tamper)
            {
                stage.KeepFolder = true;
                view.Say($"the ledger, and what the processes said, are in {stage.Folder}");
            }

            return report;
        }
        catch (Exception) when (!ct.IsCancellationRequested)
        {
            stage.KeepFolder = true;
            view.Say($"the ledger, and what the processes said, are in {stage.Folder}");
            throw;
        }
        finally
        {
            await EndAllAsync(); // before the stage goes: they play on it
        }
    }

    private async Task<Report> PlayAsync(CancellationToken ct)
    {
        Start("scheduler", "schedule");
        foreach (var (name, role) in new (string, string[])[]
        {
            ("coordinator 1", ["coordinate"]), ("bank a 1", ["bank", "a"]), ("bank b 1", ["bank", "b"]), ("ledger", ["ledger", _stage.LedgerPath]),
            ("coordinator 2", ["coordinate"]), ("bank a 2", ["bank", "a"]), ("bank b 2", ["bank", "b"]), ("agency", ["agency"]),
        })
        {
            _services.Add(new Service(name, role) { Process = Start(name, role) });
        }

        view.Say($"starting {_services.Count + 1} processes");
        await AllAreThereAsync(ct);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var sampler = new Sampler(_stage);
        var sampling = sampler.RunAsync(stop.Token);
        int kills;
        try
        {
            kills = await WatchAsync(sampler, ct);
        }
        finally
        {
            await stop.CancelAsync();
            await sampling;
        }

        await EndAllAsync();
        view.Say("all has ended, and every process is gone; comparing the books");
        sampler.Note(await Sampler.TakeAsync(_stage, aFirst: true, ct));
        var findings = await Audit.RunAsync(_stage, options.Transfers, options.Trips, ct);
        List<string> faults = [.. sampler.Faults, .. findings.Faults];
        var figures = await FiguresAsync(sampler, findings, kills, faults.Count, ct);
        if (options.Tamper)
        {
            figures = figures with { Tampered = await new Tampering(_stage).RunAsync(() => AuditAgainAsync(ct), ct) };
            faults.Add("the books were falsified on purpose (--tamper)");
        }

        return new Report(figures, faults);
    }

    private async Task<int> AuditAgainAsync(CancellationToken ct) =>
        Sampler.Check(await Sampler.TakeAsync(_stage, aFirst: true, ct)).Count() + (await Audit.RunAsync(_stage, options.Transfers, options.Trips, ct)).Faults.Count;

    /// <summary>Until all that the teller has begun has ended, or nothing does any more. Kills on the way.</summary>
    private async Task<int> WatchAsync(Sampler sampler, CancellationToken ct)
    {
        var teller = Start("teller", "teller", options.Transfers.ToString(), options.Trips.ToString());
        view.Say($"the teller begins {options.Transfers:N0} transfers and {options.Trips:N0} trips, with {options.Seed} for a seed");
        var (kills, ended, endedAtKill) = (0, 0L, 0L);
        var (progressAt, killedAt) = (_time.GetTimestamp(), _time.GetTimestamp());
        while (true)
        {
            var looked = _time.GetTimestamp();
            _children.Where(c => c != teller).ToList().ForEach(c => c.CheckAlive());
            if (options.KillEvery is { } every && _time.GetElapsedTime(killedAt) >= every && ended > endedAtKill && await TryKillAsync(ct))
            {
                // Not again before something has ended: on a slow machine all would be killed while they start, for ever.
                (kills, killedAt, endedAtKill) = (kills + 1, _time.GetTimestamp(), ended);
            }

            var now = await LookAsync(sampler, kills, ct);
            view.Show(now, options.Transfers, _children);
            if (teller.Answer() is not null && now.UnderWay == 0)
            {
                return kills;
            }

            if (now.Ended + now.Trips > ended)
            {
                (ended, progressAt) = (now.Ended + now.Trips, _time.GetTimestamp());
            }
            else if (_time.GetElapsedTime(progressAt) > SilenceLimit)
            {
                view.Say($"nothing has ended for {SilenceLimit.TotalSeconds:N0} s, and {now.UnderWay:N0} transactions have not: see what the audit says", View.Kind.Bad);
                return kills;
            }

            var wait = 4 * _time.GetElapsedTime(looked);
            await Task.Delay(wait > LookEvery ? wait : LookEvery, ct);
        }
    }

    /// <summary>
    /// Kills the next that has come up, and starts its successor. In turn, twins half a turn apart: on a slow machine, where a process takes seconds to start, both would be gone for most of the time.
    /// </summary>
    private async Task<bool> TryKillAsync(CancellationToken ct)
    {
        var up = (await _stage.Jobs.SessionsAsync(ct)).Select(s => s.ProcessId).ToHashSet();
        if (_services.Where(s => up.Contains(s.Process.Id)).MinBy(s => s.Kills) is not { } victim)
        {
            return false;
        }

        var id = victim.Process.Id;
        await victim.Process.KillAsync();
        victim.Kills++;
        victim.Process = Start($"{victim.Name} (life {victim.Kills + 1})", victim.Role);
        view.Say($"{victim.Name} (process {id}) was killed; process {victim.Process.Id} takes its place", View.Kind.Bad);
        return true;
    }

    private async Task<Snapshot> LookAsync(Sampler sampler, int kills, CancellationToken ct)
    {
        await using var command = _stage.Database.CreateCommand("""
            select count(*) filter (where name = 'transfer' and state = 'committed'), count(*) filter (where name = 'transfer' and state = 'aborted'),
              count(*) filter (where ended_at is null), count(*) filter (where name = 'trip' and ended_at is not null) from transaction
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        return new Snapshot(reader.GetInt64(0), reader.GetInt64(1), reader.GetInt64(2), reader.GetInt64(3), kills, sampler.Taken, sampler.Uneven, sampler.Last);
    }

    private async Task<Figures> FiguresAsync(Sampler sampler, Findings findings, int kills, int faults, CancellationToken ct)
    {
        // From the first beginning to the last end, on the database clock: the start of the processes is not in it.
        await using var command = _stage.Database.CreateCommand("""
            select coalesce(extract(epoch from max(ended_at) - min(created_at)), 0)::float8,
              coalesce(extract(epoch from percentile_cont(0.5) within group (order by ended_at - created_at)) * 1000, 0)::float8,
              coalesce(extract(epoch from percentile_cont(0.99) within group (order by ended_at - created_at)) * 1000, 0)::float8 from transaction where name = 'transfer'
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        await reader.ReadAsync(ct);
        var seconds = reader.GetDouble(0);
        return new Figures
        {
            Transfers = findings.Transfers,
            Committed = findings.Committed,
            Aborted = findings.Aborted,
            Kills = kills,
            TotalBefore = Sampler.Expected / 100m,
            TotalAfter = findings.Total / 100m,
            NegativeAccounts = findings.NegativeAccounts,
            Mixed = findings.Mixed,
            InDoubt = findings.InDoubt,
            Seconds = Math.Round(seconds, 3),
            TransfersPerSecond = Math.Round((findings.Committed + findings.Aborted) / Math.Max(seconds, 0.001), 1),
            P50Ms = Math.Round(reader.GetDouble(1), 1),
            P99Ms = Math.Round(reader.GetDouble(2), 1),
            Samples = sampler.Taken,
            SamplesWrong = sampler.Faults.Count,
            SamplesUneven = sampler.Uneven,
            Trips = findings.Trips,
            TripsFailed = findings.FailedTrips,
            BookingsUndone = findings.Cancelled,
            AbortReasons = findings.Reasons,
            TripReasons = findings.TripReasons,
            Faults = faults,
        };
    }

    private async Task AllAreThereAsync(CancellationToken ct)
    {
        var started = _time.GetTimestamp();
        while (true)
        {
            _children.ForEach(c => c.CheckAlive());
            var sessions = await _stage.Jobs.SessionsAsync(ct);
            if (_children.TrueForAll(c => sessions.Any(s => s.ProcessId == c.Id)))
            {
                return;
            }

            if (_time.GetElapsedTime(started) > StartLimit)
            {
                var missing = _children.Where(c => sessions.All(s => s.ProcessId != c.Id)).Select(c => c.Name);
                throw new DemoException($"Not ready after {StartLimit.TotalSeconds:N0} s: {string.Join(", ", missing)}. Logs: {_stage.Folder}");
            }

            await Task.Delay(LookEvery, ct);
        }
    }

    private async Task EndAllAsync()
    {
        foreach (var child in _children)
        {
            await child.DisposeAsync();
        }

        _children.Clear();
    }

    private ChildProcess Start(string name, params string[] role)
    {
        var child = ChildProcess.Start(name, _stage.Schema, _stage.Folder, role);
        _children.Add(child);
        return child;
    }

    /// <summary>What is killed and started again, in whatever process it lives now.</summary>
    private sealed class Service(string name, string[] role)
    {
        public string Name { get; } = name;

        public string[] Role { get; } = role;

        public required ChildProcess Process { get; set; }

        public int Kills { get; set; }
    }
}
