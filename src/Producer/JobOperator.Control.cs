namespace Jobs.Producer;

internal sealed partial class JobOperator
{
    public Task<ActReport> CancelAsync(JobFilter filter, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default)
    {
        Check(filter);
        return control.CancelAsync(filter, act, dryRun, progress, ct);
    }

    public Task<ActReport> SetPriorityAsync(JobFilter filter, JobPriority priority, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default)
    {
        Check(filter);
        return control.SetPriorityAsync(filter, priority, act, dryRun, progress, ct);
    }

    public Task<ActReport> MoveAsync(JobFilter filter, JobMove move, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default)
    {
        Check(filter);
        return control.MoveAsync(filter, move, act, dryRun, progress, ct);
    }

    public Task<ActReport> DeleteAsync(JobFilter filter, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default)
    {
        Check(filter);
        return control.DeleteAsync(filter, act, dryRun, progress, ct);
    }

    public Task<ActReport> RetryAsync(JobFilter filter, Act? act = null, bool dryRun = false, IProgress<long>? progress = null, CancellationToken ct = default)
    {
        Check(filter);
        return control.RetryAsync(filter, act, dryRun, progress, ct);
    }

    public Task<RedriveReport> RedriveAsync(JobFilter filter, RedriveOptions? options = null, Act? act = null, CancellationToken ct = default)
    {
        Check(filter);
        return control.RedriveAsync(filter, options, act, ct);
    }

    public Task<ActReport> UndoRedriveAsync(JobId redrive, Act? act = null, CancellationToken ct = default) => control.UndoRedriveAsync(redrive, act, ct);
}
