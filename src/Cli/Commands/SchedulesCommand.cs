using System.CommandLine;
using Jobs.Postgres;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs schedules`: recurring jobs. It writes and reads rows; a running scheduler does the rest.</summary>
internal static class SchedulesCommand
{
    private const int DefaultNext = 5;
    private const int DefaultHistory = 20;

    public static Command Create(Target target)
    {
        var command = new Command("schedules", "Recurring jobs: list, add, remove, pause, resume, run now, see what is next and what was")
        {
            List(target),
            Add(target),
            ByName(target, "remove", "Remove a schedule; its jobs and its history stay", (s, name, ct) => s.RemoveAsync(name, ct), "removed"),
            Pause(target),
            ByName(target, "resume", "Go on; what would have occurred in the pause is not caught up", (s, name, ct) => s.ResumeAsync(name, ct), "resumed"),
            RunNow(target),
            Next(target),
            History(target),
        };
        return command;
    }

    private static Argument<string> Name() => Values.Argument("NAME", "the schedule", text => NameRule.Check(text, "schedule name"));

    private static Command List(Target target)
    {
        var command = new Command("list", "Show every schedule: when, in which zone, its next occurrence");
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (schedules, platform) =>
        {
            var all = await schedules.ListAsync(ct);
            var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
            target.Output(parsed).Write(all.Select(ScheduleView.AsJson), screen =>
            {
                if (all.Count == 0)
                {
                    screen.WriteLine($"Schema \"{target.Schema(parsed)}\" has no schedules yet; add one: jobs schedules add nightly-report \"0 30 2 * * ?\" report.make '{{}}' --tz Europe/Berlin");
                    return;
                }

                ScheduleView.Show(screen, all, now);
            });
        }));
        return command;
    }

    private static Command Add(Target target)
    {
        var name = Name();
        var when = Values.Argument("WHEN", "cron with seconds, for example \"0 30 2 * * ?\", or an interval: 30s, 5m, 2h, 1d", ScheduleView.Recurrence);
        var type = new Argument<string>("TYPE") { Description = "the job type, for example report.make" };
        var json = new Argument<string>("JSON") { Description = "its arguments, for example '{}'" };
        var tz = new Option<string?>("--tz") { HelpName = "ZONE", Description = "IANA name, for example Europe/Berlin [default: UTC]" };
        var queue = Values.Option<QueueName?>("--queue", "NAME", "the queue [default: default]", text => new QueueName(text));
        var priority = Values.Option<JobPriority?>("--priority", "0-31", "higher first [default: 16]", text => new JobPriority(Values.WholeNumber(text)));
        var start = Values.Option<DateTimeOffset?>("--start", "TIME", "no occurrence before; ISO 8601, without an offset it is UTC", text => Plain.ParseTime(text));
        var end = Values.Option<DateTimeOffset?>("--end", "TIME", "no occurrence after", text => Plain.ParseTime(text));
        var exclude = new Option<string[]>("--exclude") { HelpName = "DAY", Description = "no occurrence on 2026-12-24, 12-25 (every year) or saturday; may be repeated", AllowMultipleArgumentsPerToken = false };
        var missing = Values.Option<OnMissingTime?>("--on-missing-time", "RULE", "run-after, skip [default: by the expression]", text => ScheduleWords.Missing(text));
        var repeated = Values.Option<OnRepeatedTime?>("--on-repeated-time", "RULE", "first, second, both [default: by the expression]", text => ScheduleWords.Repeated(text));
        var outage = Values.Option<AfterOutage?>("--after-outage", "RULE", "skip, one, or a number: the latest so many [default: one]", text => ScheduleView.Outage(text));
        var overlap = Values.Option<Overlap?>("--overlap", "RULE", "allow, skip, queue, cancel-previous [default: allow]", text => ScheduleWords.Overlap(text));
        var command = new Command("add", "Add a schedule, or change the one with this name; nothing is enqueued twice or lost by that")
        {
            name, when, type, json, tz, queue, priority, start, end, exclude, missing, repeated, outage, overlap,
        };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (schedules, _) =>
        {
            var options = new RecurringOptions
            {
                Queue = parsed.GetValue(queue),
                Priority = parsed.GetValue(priority) ?? JobPriority.Normal,
                Start = parsed.GetValue(start),
                End = parsed.GetValue(end),
                ExcludedDays = [.. (parsed.GetValue(exclude) ?? []).Select(d => ScheduleView.Day(d))],
                OnMissingTime = parsed.GetValue(missing),
                OnRepeatedTime = parsed.GetValue(repeated),
                AfterOutage = parsed.GetValue(outage) ?? AfterOutage.One,
                Overlap = parsed.GetValue(overlap) ?? Overlap.Allow,
            };
            var schedule = parsed.GetValue(name)!;
            var changed = await schedules.AddJsonAsync(schedule, parsed.GetValue(when)!, parsed.GetValue(type)!, parsed.GetValue(json)!, parsed.GetValue(tz), options, ct);
            var info = (await schedules.GetAsync(schedule, ct))!;
            target.Output(parsed).Write(new { name = schedule, changed, nextAt = info.NextAt }, screen => screen.WriteLine(
                $"{schedule} {(changed ? "is set" : "was like that already")}; {(info.NextAt is { } at ? $"next at {Plain.Time(at)}" : info.PausedAt is null ? "it never occurs any more" : "it is paused")}"));
        }));
        return command;
    }

    private static Command Pause(Target target)
    {
        var name = Name();
        var by = new Option<string?>("--by") { HelpName = "WHO", Description = "who does it [default: the user's name]" };
        var command = new Command("pause", "No occurrences until it is resumed") { name, by };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (schedules, _) =>
        {
            await schedules.PauseAsync(parsed.GetValue(name)!, parsed.GetValue(by) ?? Environment.UserName, ct);
            Done(target, parsed, parsed.GetValue(name)!, "paused");
        }));
        return command;
    }

    private static Command RunNow(Target target)
    {
        var name = Name();
        var command = new Command("run-now", "Enqueue its job once, now; the job's id is the answer") { name };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (schedules, _) =>
        {
            var id = await schedules.RunNowAsync(parsed.GetValue(name)!, ct);
            target.Output(parsed).Write(new { name = parsed.GetValue(name), id = id.Value }, screen => screen.WriteLine(id.ToString()));
        }, broker: true));
        return command;
    }

    private static Command Next(Target target)
    {
        var name = Name();
        var count = Values.Argument<int?>("N", $"how many, 1 to 1000 [default: {DefaultNext}]", text => Values.WholeNumber(text));
        count.Arity = ArgumentArity.ZeroOrOne;
        var command = new Command("next", "Show the next occurrences, as if it were not paused") { name, count };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (schedules, platform) =>
        {
            var next = await schedules.NextAsync(parsed.GetValue(name)!, parsed.GetValue(count) ?? DefaultNext, ct);
            var info = (await schedules.GetAsync(parsed.GetValue(name)!, ct))!;
            var zone = TimeZoneInfo.FindSystemTimeZoneById(info.TimeZone);
            var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
            target.Output(parsed).Write(next, screen => ScheduleView.ShowNext(screen, next, zone, now));
        }));
        return command;
    }

    private static Command History(Target target)
    {
        var name = Name();
        var limit = Values.Option<int?>("--limit", "N", $"rows a page, 1 to 1000 [default: {DefaultHistory}]", text => Values.WholeNumber(text));
        var before = Values.Option<DateTimeOffset?>("--before", "TIME", "the next page: occurrences before this time", text => Plain.ParseTime(text));
        var command = new Command("history", "Show what became of its occurrences, newest first") { name, limit, before };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (schedules, _) =>
        {
            var history = await schedules.HistoryAsync(parsed.GetValue(name)!, parsed.GetValue(limit) ?? DefaultHistory, parsed.GetValue(before), ct);
            target.Output(parsed).Write(history.Select(ScheduleView.AsJson), screen => ScheduleView.Show(screen, parsed.GetValue(name)!, history));
            if (history.Count == (parsed.GetValue(limit) ?? DefaultHistory))
            {
                Output.Remark($"next page: jobs schedules history {parsed.GetValue(name)} --before {history[^1].At.UtcDateTime:O}{target.SchemaArgument(parsed)}");
            }
        }));
        return command;
    }

    private static Command ByName(Target target, string verb, string description, Func<IJobSchedules, string, CancellationToken, Task> act, string done)
    {
        var name = Name();
        var command = new Command(verb, description) { name };
        command.SetAction((parsed, ct) => WithAsync(target, parsed, async (schedules, _) =>
        {
            await act(schedules, parsed.GetValue(name)!, ct);
            Done(target, parsed, parsed.GetValue(name)!, done);
        }));
        return command;
    }

    private static void Done(Target target, ParseResult parsed, string name, string done) =>
        target.Output(parsed).Write(new { name, done }, screen => screen.WriteLine($"{name} is {done}"));

    private static async Task<int> WithAsync(Target target, ParseResult parsed, Func<IJobSchedules, ServiceProvider, Task> act, bool broker = false)
    {
        await using var platform = target.Open(parsed, broker);
        await act(platform.GetRequiredService<IJobSchedules>(), platform);
        return ExitCode.Done;
    }
}
