namespace Jobs;

/// <summary>Which of the queues that share a pool of slots goes first.</summary>
public enum PoolOrder
{
    /// <summary>The one that was named first, as long as it has tickets in the worker's buffer; the others have what it leaves, and may wait for ever.</summary>
    Strict,
    /// <summary>In proportion to their weights: with 3 and 1, while both have tickets, three of the first are started for each of the second. What one does not use, the others have.</summary>
    Weighted,
}
