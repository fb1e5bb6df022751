using Microsoft.Extensions.Configuration;

namespace Jobs.Tests.FaultHost;

/// <summary>What one process is told on its command line.</summary>
internal sealed record FaultOptions
{
    /// <summary><c>worker</c>, <c>scheduler</c>, <c>producer</c>, <c>service</c> or <c>beginner</c>.</summary>
    public required string Role { get; init; }

    /// <summary>The name of this process in logs, in <c>runs</c> and on its connections.</summary>
    public required string Name { get; init; }

    public required string Log { get; init; }

    /// <summary>Worker: where each start of a handler is noted, one line <c>ID ATTEMPT UNIXMILLISECONDS</c>.</summary>
    public string Runs { get; init; } = "";

    public int Concurrency { get; init; } = 10;

    public string[] Queues { get; init; } = ["default"];

    /// <summary>Worker: every handler waits until it is cancelled or killed.</summary>
    public bool Hang { get; init; }

    /// <summary>Worker: added to the duration that each job asks for.</summary>
    public TimeSpan Slower { get; init; }

    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(25);

    /// <summary>Worker: probes stamp their start; without it they look for a free slot.</summary>
    public bool Stamps { get; init; }

    public string Postgres { get; init; } = "";

    public string Schema { get; init; } = "";

    /// <summary>Producer: where the jobs it is going to enqueue and those whose enqueue has returned are noted.</summary>
    public string Ledger { get; init; } = "";

    /// <summary>Producer: the number below its first job's.</summary>
    public int First { get; init; }

    /// <summary>Producer: the number of its last job; it ends when that is acknowledged.</summary>
    public int Last { get; init; }

    public int Callers { get; init; } = 4;

    /// <summary>Producer: what each caller waits between its calls.</summary>
    public TimeSpan Pause { get; init; }

    /// <summary>Producer: the duration of each job's handler.</summary>
    public int Ms { get; init; } = 1;

    /// <summary>Producer: only single calls that leave the id to the platform.</summary>
    public bool OnlySingle { get; init; }

    /// <summary>Service: <c>coordinator</c>, <c>participant</c>, or both.</summary>
    public string[] Parts { get; init; } = [];

    /// <summary>Service: how long something is prepared before the sweep asks for its decision.</summary>
    public TimeSpan AskAfter { get; init; }

    /// <summary>Service: how often transactions are looked after; null: as often as the platform does by itself.</summary>
    public TimeSpan? WatchEvery { get; init; }

    /// <summary>Service: where the files are that hold participants.</summary>
    public string Folder => Path.GetDirectoryName(Log)!;

    public static FaultOptions From(string role, IConfiguration c) => new()
    {
        Role = role,
        Name = c["Name"] ?? role,
        Log = c["Log"] ?? throw new ArgumentException("--Log=FILE is missing."),
        Runs = c["Runs"] ?? "",
        Concurrency = int.Parse(c["Concurrency"] ?? "10"),
        Queues = (c["Queues"] ?? "default").Split(','),
        Hang = c["Hang"] is not null,
        Slower = TimeSpan.FromMilliseconds(int.Parse(c["SlowerMs"] ?? "0")),
        Grace = TimeSpan.FromSeconds(int.Parse(c["GraceSeconds"] ?? "25")),
        Stamps = c["Stamps"] is not null,
        Postgres = c["Jobs:Postgres"] ?? "",
        Schema = c["Jobs:Schema"] ?? "",
        Ledger = c["Ledger"] ?? "",
        First = int.Parse(c["First"] ?? "0"),
        Last = int.Parse(c["Last"] ?? "0"),
        Pause = TimeSpan.FromMilliseconds(int.Parse(c["PauseMs"] ?? "0")),
        Callers = int.Parse(c["Callers"] ?? "4"),
        Ms = int.Parse(c["Ms"] ?? "1"),
        OnlySingle = c["OnlySingle"] is not null,
        Parts = (c["Parts"] ?? "").Split('+'),
        AskAfter = TimeSpan.FromMilliseconds(int.Parse(c["AskAfterMs"] ?? "10000")),
        WatchEvery = c["WatchMs"] is { } ms ? TimeSpan.FromMilliseconds(int.Parse(ms)) : null,
    };
}
