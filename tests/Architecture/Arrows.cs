using System.Text.RegularExpressions;

namespace Jobs.Tests.Architecture;

/// <summary>The map of docs/ARCHITECTURE.md as rules: which room may know which, and who alone speaks SQL and AMQP.</summary>
internal static partial class Arrows
{
    private static readonly string[] Servers = ["Contracts", "Postgres", "RabbitMq", "Coordination"];

    /// <summary>Every room and what it may know. A new room has no arrows until it gets a line here.</summary>
    private static readonly Dictionary<string, string[]> May = new()
    {
        ["Contracts"] = [],
        ["Postgres"] = ["Contracts"],
        ["RabbitMq"] = ["Contracts"],
        ["Coordination"] = ["Contracts", "Postgres", "RabbitMq"],
        ["Producer"] = Servers,
        ["EntityFrameworkCore"] = [.. Servers, "Producer"],
        ["Worker"] = Servers,
        ["Scheduler"] = Servers,
        ["Transactions"] = [.. Servers, "Producer", "Worker"],
        ["Hosting"] = ["Contracts", "Coordination"],
        ["Cli"] = [.. Servers, "Producer", "Worker", "Scheduler", "Hosting"],
    };

    /// <summary>The only room that may name the types of a package.</summary>
    private static readonly Dictionary<string, string> Owner = new() { ["Npgsql"] = "Postgres", ["NpgsqlTypes"] = "Postgres", ["RabbitMQ"] = "RabbitMq", ["OpenTelemetry"] = "Hosting", ["MassTransit"] = "Transactions" };

    private const string Participant = "Transactions/Postgres speaks to a participant's own database, in statements of its own files; not to the engine's";

    /// <summary>What others name all the same, each with its reason.</summary>
    private static readonly Dictionary<(string Room, string Type), string> Exceptions = new()
    {
        [("Producer", "Npgsql.NpgsqlTransaction")] = "part of the public surface: enqueue in the caller's own transaction",
        [("Transactions", "Npgsql.NpgsqlTransaction")] = "part of the public surface: begin in the caller's own transaction; and jobs in the coordinator's",
        [("Transactions", "Npgsql.EntityFrameworkCore.PostgreSQL.Infrastructure.NpgsqlDbContextOptionsBuilder")] = "the context of the saga repository",
        [("Transactions", "Npgsql.EntityFrameworkCore.PostgreSQL.Metadata.Conventions.NpgsqlConventionSetBuilder")] = "its model",
        [("Transactions", "Npgsql.NpgsqlBatch")] = Participant,
        [("Transactions", "Npgsql.NpgsqlBatchCommand")] = Participant,
        [("Transactions", "Npgsql.NpgsqlBatchCommandCollection")] = Participant,
        [("Transactions", "Npgsql.NpgsqlCommand")] = Participant,
        [("Transactions", "Npgsql.NpgsqlConnection")] = Participant,
        [("Transactions", "Npgsql.NpgsqlConnectionStringBuilder")] = Participant,
        [("Transactions", "Npgsql.NpgsqlDataReader")] = Participant,
        [("Transactions", "Npgsql.NpgsqlDataSource")] = Participant,
        [("Transactions", "Npgsql.NpgsqlException")] = Participant,
        [("Transactions", "Npgsql.NpgsqlParameter")] = Participant,
        [("Transactions", "Npgsql.NpgsqlParameterCollection")] = Participant,
        [("Transactions", "Npgsql.PostgresException")] = Participant,
        [("Coordination", "Npgsql.NpgsqlConnection")] = "a session owns one connection; what is said on it is in SessionStore",
        [("Coordination", "Npgsql.NpgsqlConnectionStringBuilder")] = "only to find out at start whether the text is a connection string",
        [("Coordination", "RabbitMQ.Client.Exceptions.AuthenticationFailureException")] = "tells a broker that refuses from one that is away, at start",
        [("Coordination", "RabbitMQ.Client.IConnection")] = "awaits one at start, to see that it opens; says nothing on it",
        [("Cli", "RabbitMQ.Client.IConnection")] = "the same, after an enqueue",
        [("Cli", "Npgsql.PostgresException")] = "says in words for people what a server's refusal means",
        [("Cli", "Npgsql.NpgsqlException")] = "the same",
        [("Cli", "RabbitMQ.Client.Exceptions.AuthenticationFailureException")] = "the same",
        [("Cli", "RabbitMQ.Client.Exceptions.BrokerUnreachableException")] = "the same",
        [("Worker", "Npgsql.PostgresException")] = "the completer judges why an outcome was refused",
    };

    private static readonly string[] EmptyWords = ["Common", "Core", "Utils", "Util", "Helpers", "Helper", "Abstractions", "Shared", "Misc"];

    /// <summary>One sentence for each rule that is broken.</summary>
    public static IEnumerable<string> Objections(IEnumerable<Room> rooms)
    {
        foreach (var room in rooms)
        {
            if (EmptyWords.Contains(room.Name, StringComparer.OrdinalIgnoreCase))
            {
                yield return $"{room.Name} is a name that says nothing; name the room after what it does.";
            }

            if (!May.TryGetValue(room.Name, out var may))
            {
                yield return $"{room.Name} is not on the map; give it its arrows in Arrows.cs and in docs/ARCHITECTURE.md.";
                continue;
            }

            foreach (var other in room.Rooms.Except(may))
            {
                yield return $"{room.Name} must not know {other}.";
            }

            if (room.Name == "Contracts")
            {
                foreach (var package in room.Packages)
                {
                    yield return $"Contracts must not need a package, but needs {package}.";
                }
            }

            foreach (var type in room.Types)
            {
                if (Owner.TryGetValue(type.Split('.')[0], out var owner) && owner != room.Name && !Exceptions.ContainsKey((room.Name, type)))
                {
                    yield return $"{room.Name} must not name {type}: that is the business of {owner}.";
                }
            }

            foreach (var text in room.Name == "Postgres" ? [] : room.Texts.Where(IsSql))
            {
                yield return $"{room.Name} must not speak SQL: \"{text}\".";
            }
        }
    }

    /// <summary>Exceptions that nobody makes use of any more.</summary>
    public static IEnumerable<string> Stale(IEnumerable<Room> rooms) =>
        Exceptions.Keys.Where(e => !rooms.Any(r => r.Name == e.Room && r.Types.Contains(e.Type))).Select(e => $"{e.Room} no longer names {e.Type}; take the exception out.");

    /// <summary>Begins like a statement. The texts for people begin with a capital letter or go on differently.</summary>
    public static bool IsSql(string text) => Statement().IsMatch(text);

    [GeneratedRegex(
        @"^\s*(select\s|with\s+(recursive\s+)?\w+\s+as\s|insert\s+into\s|update\s+\S+\s+(\w+\s+)?set\s|delete\s+from\s|merge\s+into\s|(create|alter|drop)\s+(table|index|schema|type|function|extension)\b|truncate\s|vacuum\b|set\s+\w+\s*=|begin\b|notify\s|listen\s|lock\s+table|copy\s+\S+\s+(from|to|\())",
        RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Statement();
}
