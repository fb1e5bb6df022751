using System.Text.Json;
using Microsoft.Extensions.Options;
using Npgsql;
using RabbitMQ.Client.Exceptions;

namespace Jobs.Cli;

/// <summary>Turns what went wrong into one line that names the value and the remedy, and into an exit code.</summary>
internal sealed class Complaints(bool json, bool verbose)
{
    public int Say(Exception error)
    {
        if (verbose)
        {
            Console.Error.WriteLine(error);
        }

        var (message, code) = Judge(error);
        return Say(message, code);
    }

    public int Say(string message, int code)
    {
        Console.Error.WriteLine($"error: {Plain.Line(message)}");
        if (json)
        {
            Console.Out.WriteLine(JsonSerializer.Serialize(new { error = Plain.Line(message) }, Output.Json));
        }

        return code;
    }

    private static (string Message, int Code) Judge(Exception error) => error switch
    {
        UsageException e => (e.Message, ExitCode.Usage),
        ArgumentException e => (WithoutParameter(e.Message), ExitCode.Usage),
        OptionsValidationException e => (string.Join(" ", e.Failures.Select(f => f.Replace("JobsOptions.", "", StringComparison.Ordinal))), ExitCode.Usage),
        JobsException e => (e.Message, ExitCode.Failed),
        PostgresException e => (FromPostgres(e), ExitCode.Failed),
        NpgsqlException e => ($"Postgres does not answer ({Causes(e)}). Start it, or correct JOBS_POSTGRES or --postgres.", ExitCode.Failed),
        _ when Find<AuthenticationFailureException>(error) is { } e =>
            ($"RabbitMQ refuses the user ({e.Message}). Correct the user and password in JOBS_RABBITMQ or --rabbitmq.", ExitCode.Failed),
        BrokerUnreachableException e => ($"RabbitMQ does not answer ({Causes(e)}). Start it, or correct JOBS_RABBITMQ or --rabbitmq.", ExitCode.Failed),
        _ => ($"An unexpected {error.GetType().Name}: {error.Message} --verbose shows where it comes from.", ExitCode.Failed),
    };

    private static string FromPostgres(PostgresException e) => e.SqlState switch
    {
        PostgresErrorCodes.InvalidPassword or PostgresErrorCodes.InvalidAuthorizationSpecification =>
            $"Postgres refuses the user ({e.MessageText}). Correct the user and password in JOBS_POSTGRES or --postgres.",
        PostgresErrorCodes.InvalidCatalogName => $"Postgres has no such database ({e.MessageText}). Create it, or correct JOBS_POSTGRES or --postgres.",
        PostgresErrorCodes.InsufficientPrivilege => $"Postgres does not allow it ({e.MessageText}). Use a role that owns the schema.",
        _ => $"Postgres refused a statement: {e.MessageText} (SQLSTATE {e.SqlState}). --verbose shows where.",
    };

    /// <summary>The message and what caused it, without saying the same twice, or what says nothing.</summary>
    public static string Causes(Exception e)
    {
        var messages = new List<string>();
        for (Exception? cause = e; cause is not null; cause = cause.InnerException)
        {
            if (cause is not (AggregateException or BrokerUnreachableException) && !messages.Exists(m => m.Contains(cause.Message, StringComparison.Ordinal)))
            {
                messages.Add(cause.Message.TrimEnd('.'));
            }
        }

        return string.Join(": ", messages);
    }

    /// <summary>.NET appends the name of a parameter, which means nothing to somebody at a shell.</summary>
    public static string WithoutParameter(string message)
    {
        var end = message.IndexOf(" (Parameter '", StringComparison.Ordinal);
        return end < 0 ? message : message[..end];
    }

    private static T? Find<T>(Exception? e)
        where T : Exception => e is null ? null : e as T ?? Find<T>(e.InnerException);
}
