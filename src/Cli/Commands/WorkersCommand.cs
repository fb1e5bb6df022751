using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Spectre.Console;

namespace Jobs.Cli.Commands;

/// <summary>`jobs workers`: every process that takes part, whatever its roles.</summary>
internal static class WorkersCommand
{
    /// <summary>Two heartbeats late (they come every 2.1 s at the default time to live), and dead at the default time to live.</summary>
    private static readonly TimeSpan Late = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Silent = TimeSpan.FromSeconds(15);

    public static Command Create(Target target)
    {
        var command = new Command("workers", "Show every process that takes part: roles, queues, what it runs, handlers it has abandoned, its last heartbeat");
        command.Subcommands.Add(DrainCommand.Create(target));
        command.Subcommands.Add(SlotsCommand.Create(target));
        command.SetAction((parsed, ct) => RunAsync(target, parsed, ct));
        return command;
    }

    private static async Task<int> RunAsync(Target target, ParseResult parsed, CancellationToken ct)
    {
        await using var platform = target.Open(parsed);
        var sessions = await platform.GetRequiredService<IJobOperator>().SessionsAsync(ct);
        var now = platform.GetRequiredService<TimeProvider>().GetUtcNow();
        target.Output(parsed).Write(sessions.Select(AsJson), screen =>
        {
            if (sessions.Count == 0)
            {
                screen.WriteLine($"No process takes part in schema \"{target.Schema(parsed)}\" right now. Start an app with a worker, and a scheduler: jobs scheduler");
                return;
            }

            Show(screen, sessions, now);
            ShowSettings(screen, sessions, now);
        });
        return ExitCode.Done;
    }

    private static object AsJson(SessionInfo session) => new
    {
        id = session.Id,
        host = session.Host,
        processId = session.ProcessId,
        roles = session.Roles,
        queues = session.Queues,
        slots = session.Slots,
        pools = session.Pools.Select(p => new { name = p.Name, slots = p.Slots, busy = p.Busy, order = p.Order == PoolOrder.Strict ? "strict" : "weighted", setting = p.Setting }),
        running = session.Running,
        abandoned = session.Abandoned,
        startedAt = session.StartedAt,
        heartbeatAgeSeconds = Math.Round(session.HeartbeatAge.TotalSeconds, 3),
        leads = session.Leads,
        draining = session.Draining,
    };

    private static void Show(IAnsiConsole screen, IReadOnlyList<SessionInfo> sessions, DateTimeOffset now)
    {
        var sheet = new Sheet().Add("session").Add("host").Add("process", right: true, weight: 1).Add("roles").Add("queues", weight: 3).Add("running", right: true)
            .Add("abandoned", right: true, weight: 1).Add("up", right: true, weight: 2).Add("heartbeat", right: true);
        foreach (var session in sessions)
        {
            var queues = Queues(session);
            var beat = session.HeartbeatAge;
            sheet.Row(
                Plain.Short(session.Id),
                Plain.Line(session.Host),
                session.ProcessId.ToString(),
                session.Draining is not null ? new Cell(Roles(session) + " (draining)", Styles.Busy)
                    : session.Leads ? new Cell(Roles(session) + " (leads)", Styles.Good) : Roles(session),
                queues.Length > 0 ? queues : new Cell("-", Styles.Faint),
                Cell.Of(session.Running, Styles.Busy),
                Cell.Of(session.Abandoned, Styles.Bad),
                Plain.Duration(now - session.StartedAt),
                new Cell($"{Plain.Duration(beat)} ago", beat > Silent ? Styles.Bad : beat > Late ? Styles.Busy : Style.Plain));
        }

        sheet.WriteTo(screen);
    }

    /// <summary>Taken of all slots, by queue; those that share a pool in its brackets.</summary>
    private static string Queues(SessionInfo session) => session.Slots.Count == 0 ? string.Join(", ", session.Queues.Select(q => $"{q.Key} x {q.Value}"))
        : string.Join(", ", [
            .. session.Slots.Where(s => s.Pool is null).Select(Slots),
            .. session.Pools.Select(p => $"{p.Name} {p.Busy}/{p.Slots}{Mark(p.Setting)} ({(p.Order == PoolOrder.Strict ? "strict" : "by weight")}: "
                + string.Join(", ", session.Slots.Where(s => s.Pool == p.Name).Select(Slots)) + ")"),
        ]);

    private static string Slots(WorkerSlots slots) => $"{slots.Queue} {slots.Busy}/{slots.Slots}{Mark(slots.Setting)}";

    private static string Mark(Requested? setting) => setting is null ? "" : "*";

    /// <summary>Slots that operators have stored, a line each, below the table: who and why.</summary>
    private static void ShowSettings(IAnsiConsole screen, IReadOnlyList<SessionInfo> sessions, DateTimeOffset now)
    {
        var settings = sessions.SelectMany(s => s.Slots.Select(q => (Name: q.Queue, q.Slots, q.Setting)).Concat(s.Pools.Select(p => (Name: $"pool {p.Name}", p.Slots, p.Setting))))
            .Where(s => s.Setting is not null).Distinct();
        foreach (var (name, slots, setting) in settings)
        {
            screen.Write(new Text($"* {name}: {slots} slots by order of {Plain.Line(setting!.By ?? "somebody")}, {Plain.Relative(setting.At, now)}{(setting.Reason is { } reason ? $": {Plain.Line(reason)}" : "")}", Styles.Busy));
            screen.WriteLine();
        }
    }

    /// <summary>Any process may publish; that is worth a word only where it is all it does.</summary>
    private static string Roles(SessionInfo session) =>
        session.Roles.Count == 1 ? session.Roles[0] : string.Join(", ", session.Roles.Where(r => r != "producer"));
}
