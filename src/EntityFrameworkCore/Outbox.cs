using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text;
using System.Transactions;
using Jobs.Coordination;
using Jobs.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.ChangeTracking;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;

namespace Jobs.EntityFrameworkCore;

/// <summary>
/// One context's jobs: added to it as rows of the outbox view, saved by the context itself, let go of after the save, dispatched after the commit. What is forgotten on the
/// way (a crash, a transaction that others commit) the scheduler dispatches, so nothing here has to be certain.
/// </summary>
internal sealed class Outbox(IDbContextOptions options) : ISaveChangesInterceptor, IDbTransactionInterceptor, IResettableService
{
    /// <summary>Saved, and waiting for the commit. By transaction and not by context, because several contexts may share one.</summary>
    private static readonly ConditionalWeakTable<DbTransaction, List<JobId>> Saved = [];

    private readonly OutboxExtension _jobs = options.FindExtension<OutboxExtension>()!;
    private readonly List<Dictionary<string, object>> _rows = [];

    public JobId Add<TJob>(DbContext context, TJob job, EnqueueOptions? options)
    {
        var row = _jobs.Rows.Of(job, options);
        var ties = row.Ties;
        Refuse(ties?.After.Count > 0, "After");
        Refuse(ties?.Batch is not null, "Batch");
        Refuse(ties?.HeldKey is not null, "Unique with the states of ended jobs");
        Refuse(ties?.UniqueKey is not null && ties.OnConflict != UniqueConflict.ReturnExisting, $"Unique with OnConflict {ties?.OnConflict}");
        var key = ties?.UniqueKey?[(row.Type.Length + 1)..]; // the view puts the type before it
        Refuse(key?.Length > Unique.MaxKeyLength, $"Unique with a Key and a Period that together have over {Unique.MaxKeyLength} characters");

        var set = Set(context);
        var values = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["id"] = row.Id.Value,
            ["type"] = row.Type,
            ["args"] = Encoding.UTF8.GetString(row.Arguments),
            ["queue"] = row.Queue,
            ["priority"] = (int)row.Priority,
            ["max_argument_bytes"] = _jobs.MaxArgumentBytes,
        };
        Put("run_at", row.RunAt?.ToUniversalTime());
        Put("delay_seconds", row.DelaySeconds);
        Put("unique_key", key);
        Put("unique_until_started", ties?.UntilStarted);
        Put("expires_seconds", ties?.ExpiresSeconds);
        Put("timeout_seconds", (double?)ties?.TimeoutSeconds);
        Put("tags", ties?.Tags.Count > 0 ? ties.Tags.ToArray() : null);
        Put("meta", ties?.Metadata);
        Put("trace", Traceparent.Current);
        if (options?.Id is null || !_rows.Exists(r => r["id"].Equals(row.Id.Value) && set.Entry(r).State != EntityState.Detached)) // the same id again is the same job
        {
            set.Add(values);
            _rows.Add(values);
        }

        return row.Id;

        void Put(string name, object? value)
        {
            if (value is not null)
            {
                values[name] = value;
            }
        }
    }

    // ---- ISaveChangesInterceptor

    public int SavedChanges(SaveChangesCompletedEventData eventData, int result)
    {
        if (TakeSaved(eventData.Context!) is { Count: > 0 } ids)
        {
            _ = DispatchAsync(ids, CancellationToken.None);
        }

        return result;
    }

    public async ValueTask<int> SavedChangesAsync(SaveChangesCompletedEventData eventData, int result, CancellationToken cancellationToken = default)
    {
        await DispatchAsync(TakeSaved(eventData.Context!), cancellationToken);
        return result;
    }

    // ---- IDbTransactionInterceptor

    public void TransactionCommitted(DbTransaction transaction, TransactionEndEventData eventData)
    {
        if (TakeCommitted(transaction) is { Count: > 0 } ids)
        {
            _ = DispatchAsync(ids, CancellationToken.None);
        }
    }

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default) =>
        DispatchAsync(TakeCommitted(transaction), cancellationToken);

    public void TransactionRolledBack(DbTransaction transaction, TransactionEndEventData eventData) => TakeCommitted(transaction);

    public Task TransactionRolledBackAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        TakeCommitted(transaction);
        return Task.CompletedTask;
    }

    // ---- IResettableService: a pooled context goes back to its pool

    public void ResetState() => _rows.Clear();

    public Task ResetStateAsync(CancellationToken cancellationToken = default)
    {
        ResetState();
        return Task.CompletedTask;
    }

    /// <summary>Lets go of what has been saved, so that a context that lives long does not grow.</summary>
    /// <returns>What can be dispatched now: nothing yet, if a transaction is open.</returns>
    private List<JobId> TakeSaved(DbContext context)
    {
        if (_rows.Count == 0)
        {
            return [];
        }

        var ids = new List<JobId>(_rows.Count);
        var set = Set(context);
        for (var i = _rows.Count - 1; i >= 0; i--)
        {
            var entry = set.Entry(_rows[i]);
            if (entry.State is EntityState.Added or EntityState.Unchanged)
            {
                ids.Add(new JobId((Guid)_rows[i]["id"]));
            }

            // Still added means SaveChanges(acceptAllChangesOnSuccess: false): the caller may save it once more, under the same id.
            if (entry.State != EntityState.Added)
            {
                entry.State = EntityState.Detached;
                _rows.RemoveAt(i);
            }
        }

        if (context.Database.CurrentTransaction is { } open)
        {
            var waiting = Saved.GetOrCreateValue(open.GetDbTransaction());
            lock (waiting)
            {
                waiting.AddRange(ids);
            }

            return [];
        }

        // In an ambient transaction the commit is not ours to see, and a connection opened here would enlist in it.
        return Transaction.Current is null && context.Database.GetEnlistedTransaction() is null ? ids : [];
    }

    private static List<JobId> TakeCommitted(DbTransaction transaction)
    {
        if (!Saved.TryGetValue(transaction, out var ids))
        {
            return [];
        }

        Saved.Remove(transaction);
        return ids;
    }

    /// <summary>The jobs are committed: whatever goes wrong here must not look like a failed save.</summary>
    private async Task DispatchAsync(List<JobId> ids, CancellationToken ct)
    {
        if (ids.Count == 0)
        {
            return;
        }

        try
        {
            await _jobs.Client.DispatchAsync(ids, ct);
        }
        catch (Exception e)
        {
            _jobs.Log.NotDispatched(ids.Count, e.Message);
        }
    }

    private static DbSet<Dictionary<string, object>> Set(DbContext context) => context.Set<Dictionary<string, object>>(OutboxConvention.Entity);

    private static void Refuse(bool refused, string option)
    {
        if (refused)
        {
            throw new NotSupportedException($"{option} does not go with a job that the DbContext saves. Use IJobClient.EnqueueAsync(job, transaction) with "
                + "(NpgsqlTransaction)db.Database.CurrentTransaction!.GetDbTransaction(), which takes every option.");
        }
    }
}
