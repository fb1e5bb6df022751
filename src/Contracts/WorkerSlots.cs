using System.Text.Json;
using System.Text.Json.Serialization;

namespace Jobs;

/// <summary>The slots of one queue in one worker, at its last heartbeat.</summary>
/// <param name="Queue">The queue.</param>
/// <param name="Slots">How many of its handlers may run at once. 0: nothing of it is taken there.</param>
/// <param name="Busy">How many are taken.</param>
/// <param name="Pool">The pool that it shares with other queues; null: none.</param>
/// <param name="Setting">Who stored the number of slots that is in force, when and why; null: it is what configuration or code says.</param>
public sealed record WorkerSlots(string Queue, int Slots, int Busy, string? Pool, Requested? Setting);

/// <summary>A pool of slots that several queues of one worker share, at its last heartbeat.</summary>
/// <param name="Name">Its name in the worker's options.</param>
/// <param name="Slots">How many handlers of all its queues may run at once.</param>
/// <param name="Busy">How many are taken.</param>
/// <param name="Order">Which queue goes first.</param>
/// <param name="Setting">Who stored the number of slots that is in force, when and why; null: it is what configuration or code says.</param>
public sealed record WorkerPool(string Name, int Slots, int Busy, PoolOrder Order, Requested? Setting);

/// <summary>What a worker's session says about its slots: JSON in its row.</summary>
internal sealed record SlotReport(IReadOnlyList<WorkerSlots> Queues, IReadOnlyList<WorkerPool> Pools)
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) } };

    public static SlotReport Read(string json) => JsonSerializer.Deserialize<SlotReport>(json, Json)!;

    public string Write() => JsonSerializer.Serialize(this, Json);
}

/// <summary>A number of slots that an operator has stored: in force in every worker that it names, over configuration and code, until it is cleared.</summary>
/// <param name="Target">The queue, or the pool.</param>
/// <param name="IsPool">It is a pool's.</param>
/// <param name="Worker">The worker that it is for: a session id, MACHINE/APP or MACHINE; null: all. The most particular one is in force.</param>
/// <param name="Slots">How many.</param>
/// <param name="Set">When, by whom, why.</param>
public sealed record StoredSlots(string Target, bool IsPool, string? Worker, int Slots, Requested Set);
