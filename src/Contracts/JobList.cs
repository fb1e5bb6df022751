using System.Collections;

namespace Jobs;

/// <summary>
/// One page of a list of jobs, newest first. What no index serves is looked for among a bounded number of the newest jobs; the page then says how far back it looked, and how to go on.
/// </summary>
public sealed class JobList(IReadOnlyList<JobInfo> jobs, JobId? next = null, JobId? searchedBack = null, string? warning = null) : IReadOnlyList<JobInfo>
{
    /// <summary>The jobs, which the list itself is too.</summary>
    public IReadOnlyList<JobInfo> Jobs => jobs;

    /// <summary>What <see cref="JobPage.Below"/> of the next page is; null when there are no more. A page that found nothing may have a next one.</summary>
    public JobId? Next => next;

    /// <summary>Only jobs down to this id were looked at, which is as far as one page looks; it may stand for a job that is not in the list. Null: no job is missing down to the last of this page.</summary>
    public JobId? SearchedBack => searchedBack;

    /// <summary>What <see cref="SearchedBack"/> means, in words: how far back that is, and how to go on.</summary>
    public string? Warning => warning;

    /// <inheritdoc/>
    public int Count => jobs.Count;

    /// <inheritdoc/>
    public JobInfo this[int index] => jobs[index];

    /// <inheritdoc/>
    public IEnumerator<JobInfo> GetEnumerator() => jobs.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
