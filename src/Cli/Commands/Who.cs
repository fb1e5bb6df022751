using System.CommandLine;

namespace Jobs.Cli.Commands;

/// <summary>By whom and why something is done: two options that go with what is changed.</summary>
internal sealed class Who
{
    public const int MaxName = 200;

    private readonly Option<string?> _by = new("--by") { HelpName = "WHO", Description = "who does it [default: the user and the machine]" };
    private readonly Option<string?> _reason = new("--reason") { HelpName = "TEXT", Description = "why; kept with it, at most 200 characters" };

    public void AddTo(Command command)
    {
        command.Options.Add(_reason);
        command.Options.Add(_by);
    }

    public Act Act(ParseResult parsed) => new() { By = parsed.GetValue(_by) ?? $"{Environment.UserName}@{Environment.MachineName}", Reason = parsed.GetValue(_reason) };
}
