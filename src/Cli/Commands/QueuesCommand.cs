using System.CommandLine;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs queues`: what waits, what runs, and how fast it ends.</summary>
internal static class QueuesCommand
{
    private static readonly JobState[] WaitingStates = [JobState.Queued, JobState.Scheduled, JobState.Pending, JobState.Blocked];
    private static readonly JobState[] Ends = [JobState.Succeeded, JobState.Failed, JobState.Cancelled, JobState.Expired];

    /// <summary>So many are named; --json has all.</summary>
    private const int MostWeights = 10;

    private static readonly TimeSpan Redraw = TimeSpan.FromSeconds(1);

    public static Command Create(Target target)
    {
        var watch = new Option<bool>("--watch") { Description = "look again every second until Ctrl-C; with --json, a line each" };
        var command = new Command("queues", "Show every queue: waiting, running, per state, and how fast its jobs end") { watch, FairCommand.Create(target) };
        command.SetAction((parsed, ct) => RunAsync(target, parsed, parsed.GetValue(watch), ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, bool watch, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var jobs = platform.GetRequiredService<IJobOperator>();
        var time = platform.GetRequiredService<TimeProvider>();
        var output = target.Output(parsed);
        using var frames = new Frames(output.Screen);
        while (true)
        {
            var queues = await jobs.QueuesAsync(ct);
            output.Write(queues.Select(AsJson), screen =>
            {
                if (watch)
                {
                    frames.Show(Draw);
                }
                else
                {
                    Draw(screen);
                }
            });
            if (!watch)
            {
                return ExitCode.Done;
            }

            await Task.Delay(Redraw, time, ct);

            void Draw(IAnsiConsole screen)
            {
                if (queues.Count == 0)
                {
                    screen.WriteLine($"Schema \"{target.Schema(parsed)}\" has no queues yet; the first job makes one: jobs enqueue mail.welcome '{{\"to\":\"a@example.org\"}}' --queue mail");
                    return;
                }

                Show(screen, queues);
                ShowSettings(screen, queues, time.GetUtcNow());
            }
        }
    }

    private static long Count(IReadOnlyDictionary<JobState, long> counts, JobState state) => counts.GetValueOrDefault(state);

    private static long Waiting(QueueInfo queue) => WaitingStates.Sum(s => Count(queue.Live, s));

    private static long Ended(QueueInfo queue, JobState state) => queue.Rates.LastMinute.GetValueOrDefault(state)?.Count ?? 0;

    private static double PerSecond(IReadOnlyDictionary<JobState, EndRate> ends) => Math.Round(ends.Values.Sum(e => e.PerSecond), 2);

    /// <summary>Of what ran, whatever became of it.</summary>
    private static TimeSpan? Mean(QueueInfo queue, Func<EndRate, TimeSpan> of)
    {
        var ran = queue.Rates.LastFiveMinutes.Where(e => e.Key is JobState.Succeeded or JobState.Failed).Select(e => e.Value).ToList();
        return ran.Count == 0 ? null : TimeSpan.FromSeconds(ran.Sum(e => of(e).TotalSeconds * e.Count) / ran.Sum(e => e.Count));
    }

    private static object AsJson(QueueInfo queue) => new
    {
        name = queue.Name,
        waiting = Waiting(queue),
        running = Count(queue.Live, JobState.Running),
        queued = Count(queue.Live, JobState.Queued),
        scheduled = Count(queue.Live, JobState.Scheduled),
        pending = Count(queue.Live, JobState.Pending),
        blocked = Count(queue.Live, JobState.Blocked),
        paused = queue.Paused,
        ageingSeconds = queue.Ageing?.TotalSeconds,
        fairness = queue.Fairness,
        endedLastMinute = Ends.ToDictionary(Words.Of, s => Ended(queue, s)),
        endedPerSecond = PerSecond(queue.Rates.LastMinute),
        rates = new { lastMinute = AsJson(queue.Rates.LastMinute), last5Minutes = AsJson(queue.Rates.LastFiveMinutes), last15Minutes = AsJson(queue.Rates.LastFifteenMinutes) },
    };

    private static object AsJson(IReadOnlyDictionary<JobState, EndRate> ends) => ends.ToDictionary(e => Words.Of(e.Key), e => new
    {
        count = e.Value.Count,
        perSecond = Math.Round(e.Value.PerSecond, 3),
        meanWaitSeconds = Math.Round(e.Value.MeanWait.TotalSeconds, 6),
        meanRunSeconds = Math.Round(e.Value.MeanRun.TotalSeconds, 6),
    });

    /// <summary>What operators have set, a line each, below the table: it is seldom there, and then it is what matters.</summary>
    private static void ShowSettings(IAnsiConsole screen, IReadOnlyList<QueueInfo> queues, DateTimeOffset now)
    {
        foreach (var queue in queues)
        {
            if (queue.Paused is { } p)
            {
                screen.Write(new Text($"{queue.Name} is paused by {Plain.Line(p.By ?? "somebody")}, {Plain.Relative(p.At, now)}"
                    + $"{(p.Until is { } until ? $", until {Plain.Time(until)}" : "")}{(p.Reason is { } reason ? $": {Plain.Line(reason)}" : "")}", Styles.Busy));
                screen.WriteLine();
            }

            if (queue.Ageing is { } ageing)
            {
                screen.Write(new Text($"{queue.Name}: a waiting job gains a level of priority each {Plain.Duration(ageing)}", Styles.Faint));
                screen.WriteLine();
            }

            if (queue.Fairness is { } fair)
            {
                var weights = fair.Weights.Where(w => w.Value != 1).OrderByDescending(w => w.Value).ThenBy(w => w.Key, StringComparer.Ordinal).ToList();
                screen.Write(new Text($"{queue.Name}: started in turn of {Plain.Line(fair.Key)}{string.Concat(weights.Take(MostWeights).Select(w => $", {(w.Key.Length == 0 ? "(none)" : Plain.Line(w.Key))} {w.Value} at a time"))}"
                    + $"{(weights.Count > MostWeights ? $" and {weights.Count - MostWeights} more weights" : "")}", Styles.Faint));
                screen.WriteLine();
            }
        }
    }

    private static void Show(IAnsiConsole screen, IReadOnlyList<QueueInfo> queues)
    {
        // States and ends that no queue has would only be columns of zeros.
        var waiting = WaitingStates.Where(s => s is JobState.Queued or JobState.Scheduled || queues.Any(q => Count(q.Live, s) > 0)).ToList();
        var ends = Ends.Where(s => s is JobState.Succeeded or JobState.Failed || queues.Any(q => Ended(q, s) > 0)).ToList();
        var sheet = new Sheet().Add("queue").Add("waiting", right: true).Add("running", right: true);
        waiting.ForEach(s => sheet.Add(Words.Of(s), right: true, weight: 2));
        sheet.Add("ended/s", right: true, weight: 5).Add("5 min", right: true, weight: 3).Add("15 min", right: true, weight: 1);
        ends.ForEach(s => sheet.Add(Words.Of(s) + "/min", right: true, weight: 3));
        sheet.Add("wait", right: true, weight: 4).Add("run", right: true, weight: 4);
        foreach (var queue in queues)
        {
            sheet.Row([
                queue.Name,
                Cell.Of(Waiting(queue)),
                Cell.Of(Count(queue.Live, JobState.Running), Styles.Busy),
                .. waiting.Select(s => Cell.Of(Count(queue.Live, s), Styles.Of(s))),
                Rate(queue.Rates.LastMinute),
                Rate(queue.Rates.LastFiveMinutes),
                Rate(queue.Rates.LastFifteenMinutes),
                .. ends.Select(s => Cell.Of(Ended(queue, s), Styles.Of(s))),
                Time(Mean(queue, e => e.MeanWait)),
                Time(Mean(queue, e => e.MeanRun)),
            ]);
        }

        sheet.WriteTo(screen);

        static Cell Rate(IReadOnlyDictionary<JobState, EndRate> ends) => PerSecond(ends) is > 0 and var rate ? rate.ToString("N2") : Cell.Of(0);
        static Cell Time(TimeSpan? mean) => mean is { } time ? Plain.Duration(time) : new Cell("-", Styles.Faint);
    }
}
