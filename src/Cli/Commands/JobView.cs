using System.Text.Json;
using Jobs.Postgres;

namespace Jobs.Cli.Commands;

/// <summary>A job as JSON: arguments and result are embedded, not quoted.</summary>
internal static class JobView
{
    public static object AsJson(JobInfo job) => new
    {
        id = job.Id.Value,
        type = job.Type,
        queue = job.Queue,
        priority = job.Priority,
        state = Words.Of(job.State),
        cancelRequested = job.CancelRequested,
        attempt = job.Attempt,
        failures = job.Failures,
        crashes = job.Crashes,
        session = job.Session,
        enqueuedAt = job.EnqueuedAt,
        dueAt = job.DueAt,
        startedAt = job.StartedAt,
        expiresAt = job.ExpiresAt,
        uniqueKey = job.UniqueKey,
        batch = job.Batch?.Value,
        after = job.After.Select(a => a.Value),
        waitsFor = job.Waits,
        origin = job.Origin,
        tags = job.Tags,
        metadata = job.Metadata,
        retryOf = job.RetryOf?.Value,
        retriedAs = job.RetriedAs?.Value,
        trace = job.Trace,
        endedAt = job.EndedAt,
        runSeconds = (job.EndedAt - job.StartedAt)?.TotalSeconds,
        progress = job.Progress,
        arguments = Embedded(job.Arguments),
        result = job.Result is { } result ? Embedded(result) : (JsonElement?)null,
        errors = job.Errors,
        events = job.Events,
    };

    /// <summary>"40 % (4/10) unpacking", or what there is of it.</summary>
    public static string Text(JobProgress progress) => string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"{(progress.Percent is { } percent ? $"{percent} % ({progress.Done:N0}/{progress.Total:N0})" : $"{progress.Done:N0} done")}{(progress.Note is { Length: > 0 } note ? " " + Plain.Line(note) : "")}");

    /// <summary>The state, and for people a word more where the state alone says too little.</summary>
    public static string State(JobInfo job) => job is { State: JobState.Running, CancelRequested: not null } ? "cancelling" : Words.Of(job.State);

    public static JsonElement Embedded(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
