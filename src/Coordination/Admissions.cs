using Jobs.Postgres;
using Jobs.RabbitMq;
using Microsoft.Extensions.Logging;

namespace Jobs.Coordination;

/// <summary>
/// Gives room at the gates of limits to those that wait there: behind the back of whoever made the room, and for all gates that have come together meanwhile at once.
/// What a crash leaves out is done by the scheduler, which looks at all such gates each second.
/// </summary>
internal sealed class Admissions(LimitStore store, TicketPublisher tickets, CoordinationTelemetry telemetry, ILogger<Admissions> log)
{
    /// <summary>Jobs that are admitted at one gate by one statement.</summary>
    private const int Most = 500;

    private const int GatesAtOnce = 200;
    private const int FewGates = 4;

    private readonly Lock _lock = new();
    private HashSet<string> _gates = [];
    private Task _admitting = Task.CompletedTask;

    /// <summary>There is room at these gates, and somebody waits.</summary>
    public void Admit(IReadOnlyCollection<string> gates)
    {
        if (gates.Count == 0)
        {
            return;
        }

        lock (_lock)
        {
            var idle = _gates.Count == 0;
            _gates.UnionWith(gates);
            var before = _admitting;
            _admitting = idle ? Detached.Run(() => AdmitAsync(before)) : before;
        }
    }

    /// <summary>All gates at which somebody waits, now.</summary>
    /// <returns>Those that wait for time to pass.</returns>
    public async Task<List<string>> AdmitAllAsync(CancellationToken ct)
    {
        List<string> timed = [];
        for (var above = ""; ;)
        {
            var page = await store.WaitingAsync(above, GatesAtOnce, ct);
            if (page.Count > 0)
            {
                await AdmitNowAsync([.. page.Select(g => g.Id)], 0, ct);
                timed.AddRange(page.Where(g => g.Timed).Select(g => g.Id));
                above = page[^1].Id;
            }

            if (page.Count < GatesAtOnce)
            {
                return timed;
            }
        }
    }

    /// <summary>
    /// Those who have room at these gates now, or in some seconds. A statement for so many gates, so that none holds the locks of thousands; few gates have a statement each, so that none
    /// waits for the lock of another.
    /// </summary>
    public async Task AdmitNowAsync(IReadOnlyCollection<string> gates, double ahead, CancellationToken ct)
    {
        if (gates.Count <= FewGates)
        {
            await Task.WhenAll(gates.Select(g => AdmitAtAsync([g], ahead, ct)));
            return;
        }

        foreach (var page in gates.Chunk(GatesAtOnce))
        {
            await AdmitAtAsync(page, ahead, ct);
        }
    }

    private async Task AdmitAtAsync(string[] gates, double ahead, CancellationToken ct)
    {
        var admitted = await Transient.RetryAsync(c => store.AdmitAsync(gates, ahead, Most, c), "admit at gates", log, ct, Transient.Few);
        await SendAsync(admitted, ct);
    }

    /// <summary>Tickets for jobs that were admitted.</summary>
    public async Task SendAsync(IReadOnlyList<Ticket> admitted, CancellationToken ct)
    {
        telemetry.Admitted(admitted);
        await tickets.SendAsync(admitted, ct);
    }

    /// <summary>So many were admitted and need none.</summary>
    public void Started(string queue, int jobs) => telemetry.Admitted(queue, jobs);

    private async Task AdmitAsync(Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        string[] gates;
        lock (_lock)
        {
            gates = [.. _gates];
            _gates = [];
        }

        try
        {
            await AdmitNowAsync(gates, 0, CancellationToken.None);
        }
        catch (Exception e)
        {
            log.NotAdmitted(gates.Length, e.Message); // the scheduler does it
        }
    }
}
