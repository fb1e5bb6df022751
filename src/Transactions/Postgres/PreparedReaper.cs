using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Jobs.Transactions;

/// <summary>
/// Ends what is prepared in a participant database and nobody ends: because the job that was to do it, or all of them, are gone, or just late. It asks the coordinator for the decision and never decides. Runs
/// beside the participants, in every process; the verbs may be repeated, so several of them do no harm.
/// </summary>
internal sealed class PreparedReaper(ParticipantDatabase database, IDecisions decisions, ParticipantTelemetry telemetry, Pulses pulses, TimeProvider time, ILogger<PreparedReaper> log)
    : BackgroundService
{
    private const int Page = 1000;
    private static readonly TimeSpan ForgetEvery = TimeSpan.FromHours(1);

    private readonly ParticipantDatabaseOptions _options = database.Options;
    private long? _forgotten;

    /// <exception cref="JobsException">The database is there and not fit: too few prepared transactions, no tables, another installation's.</exception>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            await database.ReadyAsync(cancellationToken);
        }
        catch (Exception e) when (Transient.Is(e))
        {
            log.ParticipantNotReady(database.Name, e.Message); // a server that is away keeps no process from starting
        }

        await base.StartAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Detached.Run(async () =>
    {
        var pulse = pulses.Add($"Prepared transactions of {database.Name}");
        for (var failures = 0; !stoppingToken.IsCancellationRequested;)
        {
            try
            {
                await Task.Delay(_options.SweepEvery, time, stoppingToken);
                pulse.Begin();
                await RunOnceAsync(stoppingToken);
                failures = 0;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                log.SweepFailed(database.Name, ++failures, e.Message);
            }
            finally
            {
                pulse.Rest();
            }
        }
    });

    /// <summary>Returns how many were ended.</summary>
    public async Task<int> RunOnceAsync(CancellationToken ct)
    {
        var installation = await database.ReadyAsync(ct);
        var prepared = await ListAsync(installation, ct);
        telemetry.Prepared(database.Name, prepared.Count, prepared.Count > 0 ? prepared[0].Age.TotalSeconds : 0);
        var old = prepared.TakeWhile(p => p.Age >= _options.AlertAfter).Count();
        if (old > 0)
        {
            log.PreparedLong(old, database.Name, _options.AlertAfter.TotalSeconds, prepared[0].Age.TotalSeconds, prepared[0].Gid.Value);
        }

        var ended = 0;
        var asked = prepared.TakeWhile(p => p.Age >= _options.AskAfter).ToList();
        if (asked.Count > 0)
        {
            var verdicts = await decisions.AskAsync([.. asked.Select(p => p.Gid.Transaction).Distinct()], ct);
            foreach (var (gid, age) in asked)
            {
                ended += await EndAsync(gid, age, verdicts[gid.Transaction].Decision, ct) ? 1 : 0;
            }
        }

        if (_forgotten is not { } at || time.GetElapsedTime(at) >= ForgetEvery)
        {
            await ForgetAsync(installation, ct);
            _forgotten = time.GetTimestamp();
        }

        return ended;
    }

    private async Task<bool> EndAsync(BranchGid gid, TimeSpan age, Decision decision, CancellationToken ct)
    {
        try
        {
            switch (decision)
            {
                case Decision.Commit:
                    await database.Verbs.CommitAsync(gid, ct);
                    log.Reaped(gid.Value, database.Name, age.TotalSeconds, decision, "committed");
                    break;
                case Decision.Abort or Decision.Unknown:
                    await database.Verbs.AbortAsync(gid, ct);
                    log.Reaped(gid.Value, database.Name, age.TotalSeconds, decision, "rolled back");
                    break;
                default:
                    return false; // waits for the decision, holding its locks: that is what it voted yes to
            }

            telemetry.Reaped(database.Name, decision);
            return true;
        }
        catch (Exception e) when (e is NpgsqlException or JobsException)
        {
            log.NotReaped(gid.Value, e.Message); // the others go on
            return false;
        }
    }

    private async Task<List<(BranchGid Gid, TimeSpan Age)>> ListAsync(string installation, CancellationToken ct)
    {
        await using var command = database.Source.Participant("list_prepared", BranchGid.Prefix(installation));
        await using var reader = await command.ExecuteReaderAsync(ct);
        var found = new List<(BranchGid, TimeSpan)>();
        while (await reader.ReadAsync(ct))
        {
            if (BranchGid.TryParse(reader.GetString(0), out var gid))
            {
                found.Add((gid.Value, TimeSpan.FromSeconds(reader.GetDouble(1))));
            }
        }

        return found;
    }

    /// <summary>
    /// Rows of branches whose transaction has ended everywhere, so that no verb comes for them any more. What a tombstone forbade may then be prepared by a worker that was stopped for days; it is found here, and
    /// the decision is the same.
    /// </summary>
    private async Task ForgetAsync(string installation, CancellationToken ct)
    {
        var (at, after, count) = (DateTime.UnixEpoch, "", 0);
        while (true)
        {
            var page = new List<string>(Page);
            await using (var list = database.Source.Participant("list_old_branches", _options.KeepDays, at, after, BranchGid.Prefix(installation), Page))
            await using (var reader = await list.ExecuteReaderAsync(ct))
            {
                while (await reader.ReadAsync(ct))
                {
                    page.Add(after = reader.GetString(0));
                    at = reader.GetDateTime(1);
                }
            }

            var gids = page.Select(text => BranchGid.TryParse(text, out var gid) ? gid : null).OfType<BranchGid>().ToList();
            var verdicts = await decisions.AskAsync([.. gids.Select(g => g.Transaction).Distinct()], ct);
            var over = gids.Where(g => verdicts[g.Transaction].Ended).Select(g => g.Value).ToArray();
            if (over.Length > 0)
            {
                await using var forget = database.Source.Participant("forget_branches", (object)over);
                count += await forget.ExecuteNonQueryAsync(ct);
            }

            if (page.Count < Page)
            {
                log.BranchesForgotten(count, database.Name);
                return;
            }
        }
    }
}
