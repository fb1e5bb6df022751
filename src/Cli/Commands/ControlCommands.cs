using System.CommandLine;

namespace Jobs.Cli.Commands;

/// <summary>`jobs cancel`, `priority`, `move`, `delete` and `retry`: what an operator does to jobs, by ids or by filter.</summary>
internal static class ControlCommands
{
    public static IEnumerable<Command> Create(Target target) => [Cancel(target), Priority(target), Move(target), Retry(target), Delete(target)];

    private static Command Cancel(Target target) =>
        ActCommand.Build(new Command("cancel", "Cancel jobs: one that waits never starts, one that runs is asked to stop"), target, "cancelled",
            (jobs, _, filter, act, dryRun, progress, ct) => jobs.CancelAsync(filter, act, dryRun, progress, ct));

    private static Command Priority(Target target)
    {
        var priority = Values.Argument<JobPriority>("PRIORITY", "0 to 31, higher first", text => new JobPriority(Values.WholeNumber(text)));
        return ActCommand.Build(new Command("priority", "Give waiting jobs another priority, effective at once") { priority }, target, "given another priority",
            (jobs, parsed, filter, act, dryRun, progress, ct) => jobs.SetPriorityAsync(filter, parsed.GetValue(priority), act, dryRun, progress, ct));
    }

    private static Command Move(Target target)
    {
        var to = Values.Option<QueueName?>("--to", "QUEUE", "to this queue", text => new QueueName(text));
        var delay = Values.Option<TimeSpan?>("--in", "DURATION", "to this much later than now, as 90s, 5m, 2h, 1d", text => Plain.ParseDuration(text));
        var at = Values.Option<DateTimeOffset?>("--at", "TIME", "to this time, ISO 8601; without an offset it is UTC", text => Plain.ParseTime(text));
        var now = new Option<bool>("--now") { Description = "to now" };
        return ActCommand.Build(new Command("move", "Move waiting jobs to another queue or another time") { to, delay, at, now }, target, "moved",
            (jobs, parsed, filter, act, dryRun, progress, ct) =>
            {
                var move = new JobMove
                {
                    Queue = parsed.GetValue(to),
                    Delay = parsed.GetValue(now) ? TimeSpan.Zero : parsed.GetValue(delay),
                    RunAt = parsed.GetValue(at),
                };
                return (parsed.GetValue(now) ? 1 : 0) + (parsed.GetValue(delay) is null ? 0 : 1) + (parsed.GetValue(at) is null ? 0 : 1) > 1
                    ? throw new UsageException("Only one of --now, --in and --at can be given; they are all times.")
                    : move is { Queue: null, Delay: null, RunAt: null } ? throw new UsageException("Where to? Give --to QUEUE, or one of --now, --in DURATION and --at TIME.")
                    : jobs.MoveAsync(filter, move, act, dryRun, progress, ct);
            });
    }

    private static Command Retry(Target target) =>
        ActCommand.Build(new Command("retry", "Try jobs again now: a scheduled one is queued, an ended one goes on as a new job. Without --state: scheduled and failed ones"), target, "retried",
            (jobs, _, filter, act, dryRun, progress, ct) => jobs.RetryAsync(filter, act, dryRun, progress, ct));

    private static Command Delete(Target target) =>
        ActCommand.Build(new Command("delete", "Delete jobs that have ended or wait, without a trace"), target, "deleted",
            (jobs, _, filter, act, dryRun, progress, ct) => jobs.DeleteAsync(filter, act, dryRun, progress, ct));
}
