using System.CommandLine;
using System.CommandLine.Parsing;

namespace Jobs.Cli;

/// <summary>Says in one line why a command line was not understood, with the near miss where there is one.</summary>
internal static class WrongUsage
{
    public static string Describe(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var path = string.Join(' ', Ancestors(parsed.CommandResult).Reverse().Select(c => c.Name));
        var said = parsed.UnmatchedTokens.Count > 0 ? Unknown(parsed.UnmatchedTokens[0], command, parsed.RootCommandResult.Command)
            : Missing(parsed) ?? parsed.Errors[0].Message;
        return $"{(said[^1] is '.' or '?' ? said : said + ".")} See {path} --help.";
    }

    private static IEnumerable<Command> Ancestors(SymbolResult? result)
    {
        for (; result is CommandResult command; result = result.Parent)
        {
            yield return command.Command;
        }
    }

    private static string? Missing(ParseResult parsed)
    {
        var missing = parsed.CommandResult.Command.Arguments
            .Where(a => a.Arity.MinimumNumberOfValues > 0 && parsed.GetResult(a) is null or { Tokens.Count: 0 }).Select(a => a.Name).ToList();
        return missing.Count > 0 ? $"{parsed.CommandResult.Command.Name} needs {string.Join(" and ", missing)}" : null;
    }

    private static string Unknown(string token, Command command, Command root)
    {
        var names = token.StartsWith('-')
            ? command.Options.Concat(root.Options.Where(o => o.Recursive)).Select(o => o.Name)
            : command.Subcommands.Select(c => c.Name);
        var near = NearMiss.Of(token, names);
        var what = token.StartsWith('-') ? "option" : command.Subcommands.Count > 0 ? "command" : "argument";
        var hint = near is not null ? $"; did you mean {near}?" : what == "argument" ? "; put JSON and other values with spaces in quotes" : "";
        return $"Unknown {what} \"{token}\"{hint}";
    }
}
