using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs pause QUEUE`, `jobs resume QUEUE`, `jobs ageing QUEUE SECONDS|off`: what holds for a whole queue.</summary>
internal static class PauseCommand
{
    public static Command CreatePause(Target target)
    {
        var queue = Queue();
        var until = Values.Option<DateTimeOffset?>("--until", "TIME", "it goes on by itself then; ISO 8601, without an offset it is UTC", text => Plain.ParseTime(text));
        var length = Values.Option<TimeSpan?>("--for", "TIME", "it goes on by itself after so long: 90, 15m, 2h", text => Plain.ParseDuration(text));
        var who = new Who();
        var command = new Command("pause", "Start no more jobs of a queue until it is resumed; those that run finish, new ones wait") { queue, until, length };
        who.AddTo(command);
        command.SetAction(async (parsed, ct) =>
        {
            if (parsed.GetValue(until) is not null && parsed.GetValue(length) is not null)
            {
                throw new UsageException("Both --until and --for say when the pause ends; give one of them.");
            }

            await using var platform = target.Open(parsed);
            var name = parsed.GetValue(queue);
            var end = parsed.GetValue(length) is { } time ? platform.GetRequiredService<TimeProvider>().GetUtcNow() + time : parsed.GetValue(until);
            await platform.GetRequiredService<IJobOperator>().PauseQueueAsync(name, end, who.Act(parsed), ct);
            target.Output(parsed).Write(new { queue = name.Value, paused = true, until = end }, screen => screen.WriteLine(
                $"{name} is paused{(end is { } e ? $" until {Plain.Time(e)}" : $"; it goes on with: jobs resume {name}{target.SchemaArgument(parsed)}")}"));
            return ExitCode.Done;
        });
        return command;
    }

    public static Command CreateResume(Target target)
    {
        var queue = Queue();
        var command = new Command("resume", "Go on with a queue that was paused") { queue };
        command.SetAction(async (parsed, ct) =>
        {
            await using var platform = target.Open(parsed);
            var name = parsed.GetValue(queue);
            var resumed = await platform.GetRequiredService<IJobOperator>().ResumeQueueAsync(name, ct);
            target.Output(parsed).Write(new { queue = name.Value, resumed }, screen => screen.WriteLine(resumed ? $"{name} goes on" : $"{name} was not paused"));
            return ExitCode.Done;
        });
        return command;
    }

    public static Command CreateAgeing(Target target)
    {
        var queue = Queue();
        var each = Values.Argument<string>("SECONDS", "a waiting job gains a level of priority each so many seconds (or 5m, 2h); or off", text =>
        {
            _ = text == "off" ? default : Plain.ParseDuration(text);
            return text;
        });
        var command = new Command("ageing", "Have waiting jobs of a queue gain priority, so that urgent ones cannot starve them; or end that") { queue, each };
        command.SetAction(async (parsed, ct) =>
        {
            await using var platform = target.Open(parsed);
            var name = parsed.GetValue(queue);
            var text = parsed.GetValue(each)!;
            TimeSpan? time = text == "off" ? null : Plain.ParseDuration(text);
            await platform.GetRequiredService<IJobOperator>().SetAgeingAsync(name, time, ct);
            target.Output(parsed).Write(new { queue = name.Value, ageingSeconds = time?.TotalSeconds }, screen => screen.WriteLine(
                time is { } t ? $"{name}: a waiting job gains a level of priority each {Plain.Duration(t)}" : $"{name}: priorities stay as they are"));
            return ExitCode.Done;
        });
        return command;
    }

    private static Argument<QueueName> Queue() => Values.Argument<QueueName>("QUEUE", "the queue", text => new QueueName(text));
}
