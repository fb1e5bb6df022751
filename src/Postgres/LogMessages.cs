using Microsoft.Extensions.Logging;

namespace Jobs.Postgres;

/// <summary>Every log line of this room. Event ids 1000 to 1099.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1000, LogLevel.Warning, "Postgres did not do \"{What}\" (try {Try}), trying again: {Error}")]
    public static partial void DatabaseTransient(this ILogger log, string what, int @try, string error);

    [LoggerMessage(1001, LogLevel.Information, "Schema {Schema} is being brought up to date: {Migration}")]
    public static partial void Migrating(this ILogger log, string schema, string migration);
}
