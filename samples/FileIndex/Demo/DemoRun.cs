namespace FileIndex.Demo;

/// <summary>One run from the empty stage to the report.</summary>
internal sealed class DemoRun(DemoOptions options, View view)
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    /// <summary>Long enough for every rescue and retry the platform has; silence beyond it is a fault.</summary>
    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(90);

    private readonly TimeProvider _time = TimeProvider.System;
    private readonly List<ChildProcess> _children = [];
    private readonly List<ChildProcess> _workers = [];
    private Stage _stage = null!;
    private string _logs = "";

    public async Task<Report> RunAsync(CancellationToken ct)
    {
        view.Say($"counting the files of {options.Folder}");
        var files = await Task.Run(() => Folder.Files(options.Folder).LongCount(), ct);
        if (files == 0)
        {
            throw new DemoException($"The folder \"{options.Folder}\" has no files to index (symbolic links are not followed); name another: ./run demo FOLDER", DemoException.Usage);
        }

        _logs = Directory.CreateTempSubdirectory("jobs-demo-").FullName;
        var keepLogs = true;
        try
        {
            await using var stage = _stage = await Stage.SetUpAsync(ct);
            try
            {
                var report = await PlayAsync(files, ct);
                keepLogs = !report.AllIsWell;
                return report;
            }
            finally
            {
                foreach (var child in _children)
                {
                    await child.DisposeAsync(); // before the stage goes: they play on it
                }
            }
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            keepLogs = false;
            throw;
        }
        finally
        {
            if (keepLogs && _children.Count > 0)
            {
                view.Say($"what the processes said is in {_logs}");
            }
            else
            {
                Directory.Delete(_logs, recursive: true);
            }
        }
    }

    private async Task<Report> PlayAsync(long files, CancellationToken ct)
    {
        var began = _time.GetUtcNow();
        await using var kill = options.Kill ? await Kill.PrepareAsync(_stage, files, ct) : null;
        Start("scheduler", "schedule");
        for (var n = 0; n < options.Workers; n++)
        {
            StartWorker();
        }

        view.Say($"starting a scheduler and {Count(options.Workers, "worker")}");
        await AllAreThereAsync(ct);
        var producer = Start("producer", "produce", options.Folder);
        view.Say($"the producer enqueues one job for each of {files:N0} files");

        var (death, enqueued) = await WatchAsync(files, producer, kill, ct);
        view.Say("all jobs have ended; checking every file without the platform");
        var findings = await Verification.RunAsync(_stage, options.Folder, enqueued, began, ct);
        return await Report.MakeAsync(_stage, findings, enqueued, killExpected: options.Kill, death, ct);
    }

    /// <summary>Until the producer is done and no job is left. Kills on the way.</summary>
    private async Task<(Death? Death, long Enqueued)> WatchAsync(long files, ChildProcess producer, Kill? kill, CancellationToken ct)
    {
        Death? death = null;
        TimeSpan? rescue = null;
        long? enqueued = null;
        var (ended, progressAt) = (0L, _time.GetTimestamp());
        while (true)
        {
            var looked = _time.GetTimestamp();
            _workers.ForEach(w => w.CheckAlive());
            _children[0].CheckAlive();
            enqueued ??= producer.Answer() is { } answer ? long.Parse(answer) : null;
            if (kill is not null && death is null && (death = await kill.TryAsync(_workers, ct)) is not null)
            {
                var replacement = StartWorker();
                view.Say($"a third is done: {death.Worker.Name} (process {death.Worker.Id}) was killed while it ran {Count(death.Jobs.Length, "job")}; {replacement.Name} takes its place", View.Kind.Bad);
            }

            var now = await Observer.LookAsync(_stage, ct);
            view.Show(now, files, [.. _children.Where(c => c != producer)]);
            if (death is not null && rescue is null && (rescue = await Observer.RescueTimeAsync(_stage, death, ct)) is { } time)
            {
                view.Say($"{(death.Jobs.Length == 1 ? "the job it ran has" : $"all {death.Jobs.Length} jobs it ran have")} ended elsewhere, {time.TotalSeconds:F1} s after the kill", View.Kind.Good);
            }

            if (now.Ended == enqueued && now is { Waiting: 0, RunningJobs: 0 })
            {
                return (death, now.Ended);
            }

            if (now.Ended > ended || enqueued is null)
            {
                (ended, progressAt) = (now.Ended, _time.GetTimestamp());
            }
            else if (_time.GetElapsedTime(progressAt) > SilenceLimit)
            {
                throw new DemoException($"No job has ended for {SilenceLimit.TotalSeconds:N0} s: {now.Ended:N0} of {enqueued:N0} have, {now.Waiting:N0} wait and {now.RunningJobs:N0} run. Logs: {_logs}");
            }

            // A look at a big history takes longer; it must stay a small part of what the database does.
            var wait = 4 * _time.GetElapsedTime(looked);
            await Task.Delay(wait > LookEvery ? wait : LookEvery, ct);
        }
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
                throw new DemoException($"Not ready after {StartLimit.TotalSeconds:N0} s: {string.Join(", ", missing)}. Logs: {_logs}");
            }

            await Task.Delay(LookEvery, ct);
        }
    }

    private ChildProcess StartWorker()
    {
        var worker = Start($"worker {_workers.Count + 1}", "work");
        _workers.Add(worker);
        return worker;
    }

    private ChildProcess Start(string name, params string[] role)
    {
        var child = ChildProcess.Start(name, _stage.Schema, _logs, role);
        _children.Add(child);
        return child;
    }

    private static string Count(long n, string noun) => n == 1 ? $"1 {noun}" : $"{n:N0} {noun}s";
}
