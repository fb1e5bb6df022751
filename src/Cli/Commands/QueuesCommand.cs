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

    public static Command Create(Target target)
    {
        var command = new Command("queues", "Show every queue: waiting, running, per state, what ended in the last minute");
        command.SetAction((parsed, ct) => RunAsync(target, parsed, ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var queues = await platform.GetRequiredService<IJobOperator>().QueuesAsync(ct);
        target.Output(parsed).Write(queues.Select(AsJson), screen =>
        {
            if (queues.Count == 0)
            {
                screen.WriteLine($"Schema \"{target.Schema(parsed)}\" has no queues yet; the first job makes one: jobs enqueue mail.welcome '{{\"to\":\"a@example.org\"}}' --queue mail");
                return;
            }

            Show(screen, queues);
            ShowSettings(screen, queues, platform.GetRequiredService<TimeProvider>().GetUtcNow());
        });
        return ExitCode.Done;
    }

    private static long Count(IReadOnlyDictionary<JobState, long> counts, JobState state) => counts.GetValueOrDefault(state);

    private static long Waiting(QueueInfo queue) => WaitingStates.Sum(s => Count(queue.Live, s));

    private static long Ended(QueueInfo queue) => queue.EndedLastMinute.Values.Sum();

    private static double Rate(QueueInfo queue) => Math.Round(Ended(queue) / 60.0, 2);

    private static object AsJson(QueueInfo queue) => new
    {
        name = queue.Name,
        waiting = Waiting(queue),
        running = Count(queue.Live, JobState.Running),
        queued = Count(queue.Live, JobState.Queued),
        scheduled = Count(queue.Live, JobState.Scheduled),
        pending = Count(queue.Live, JobState.Pending),
        blocked = Count(queue.Live, JobState.Blocked),
        endedLastMinute = Ends.ToDictionary(Words.Of, s => Count(queue.EndedLastMinute, s)),
        endedPerSecond = Rate(queue),
        paused = queue.Paused,
        ageingSeconds = queue.Ageing?.TotalSeconds,
    };

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
        }
    }

    private static void Show(IAnsiConsole screen, IReadOnlyList<QueueInfo> queues)
    {
        // States and ends that no queue has would only be columns of zeros.
        var waiting = WaitingStates.Where(s => s is JobState.Queued or JobState.Scheduled || queues.Any(q => Count(q.Live, s) > 0)).ToList();
        var ends = Ends.Where(s => s is JobState.Succeeded or JobState.Failed || queues.Any(q => Count(q.EndedLastMinute, s) > 0)).ToList();
        var sheet = new Sheet().Add("queue").Add("waiting", right: true).Add("running", right: true);
        waiting.ForEach(s => sheet.Add(Words.Of(s), right: true, weight: 2));
        sheet.Add("ended/s", right: true, weight: 4);
        ends.ForEach(s => sheet.Add(Words.Of(s) + "/min", right: true, weight: 3));
        foreach (var queue in queues)
        {
            sheet.Row([
                queue.Name,
                Cell.Of(Waiting(queue)),
                Cell.Of(Count(queue.Live, JobState.Running), Styles.Busy),
                .. waiting.Select(s => Cell.Of(Count(queue.Live, s), Styles.Of(s))),
                Ended(queue) == 0 ? Cell.Of(0) : Rate(queue).ToString("N2"),
                .. ends.Select(s => Cell.Of(Count(queue.EndedLastMinute, s), Styles.Of(s))),
            ]);
        }

        sheet.WriteTo(screen);
    }
}
