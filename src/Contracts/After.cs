namespace Jobs;

/// <summary>A job that must end before another may start, and what becomes of that other one if it does not succeed.</summary>
/// <param name="Parent">The job to wait for. It must exist.</param>
/// <param name="OtherwiseDo">If the parent fails, is cancelled or expires. Default: the waiting job is cancelled, and so are those that wait for it in turn.</param>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Auto)]
public readonly record struct After(JobId Parent, Otherwise OtherwiseDo = Otherwise.Cancel)
{
    /// <summary>Wait for this job; cancel if it does not succeed.</summary>
    public static implicit operator After(JobId parent) => new(parent);
}

/// <summary>What becomes of a job that waits for another which does not succeed.</summary>
public enum Otherwise
{
    /// <summary>It ends as cancelled, its error names the parent, and those that wait for it are treated in turn.</summary>
    Cancel,
    /// <summary>It runs all the same.</summary>
    Run,
    /// <summary>It stays blocked until somebody decides.</summary>
    Hold,
}
