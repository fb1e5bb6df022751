using System.CommandLine;
using Jobs.Cli;
using Jobs.Cli.Commands;

// Exit codes: 0 done, 1 failed (not found, a server is away), 2 wrong usage; doctor: 3 warn, 4 bad.

var target = new Target();
var root = new RootCommand("Looks at and works on an installation of Jobs: its state in PostgreSQL, its dispatch on RabbitMQ.")
{
    MigrateCommand.Create(target),
    SchedulerCommand.Create(target),
    EnqueueCommand.Create(target),
    GetCommand.Create(target),
    ExplainCommand.Create(target),
    LogsCommand.Create(target),
    ListCommand.Create(target),
    BatchCommand.Create(target),
    RedriveCommand.Create(target),
    RedriveCommand.CreateUndo(target),
    QueuesCommand.Create(target),
    PauseCommand.CreatePause(target),
    PauseCommand.CreateResume(target),
    PauseCommand.CreateAgeing(target),
    SchedulesCommand.Create(target),
    LimitsCommand.Create(target),
    TransactionsCommand.Create(target),
    WorkersCommand.Create(target),
    DoctorCommand.Create(target),
};
target.AddTo(root);
foreach (var command in ControlCommands.Create(target))
{
    root.Subcommands.Add(command);
}

if (args.Length == 0)
{
    args = ["--help"];
}

// Arguments of a job may start with '@'; a file of responses is nothing this command has a use for.
var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
var asked = args.TakeWhile(a => a != "--").ToList();
var complaints = new Complaints(json: asked.Contains("--json"), verbose: asked.Contains("--verbose"));
if (parsed.Errors.Count > 0)
{
    return complaints.Say(WrongUsage.Describe(parsed), ExitCode.Usage);
}

try
{
    // Ctrl-C ends a look at once, and the scheduler's host has its own handling of signals.
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null });
}
catch (Exception e)
{
    return complaints.Say(e);
}
