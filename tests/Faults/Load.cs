namespace Jobs.Tests.Faults;

/// <summary>A producer inside the test process. Every call that returned is in the ledger.</summary>
internal sealed class Load(IJobClient jobs, Ledger ledger, Servers servers)
{
    private const int TicksPerSecond = 20;
    private int _unknown;

    /// <summary>How many calls ended without an answer and were repeated under the same id.</summary>
    public int Unknown => _unknown;

    /// <summary>Single calls, all at once.</summary>
    public Task<JobId[]> EnqueueAsync(int count, Func<long, Work>? job = null, EnqueueOptions? options = null) =>
        Task.WhenAll(Enumerable.Range(0, count).Select(async _ =>
        {
            var n = ledger.Next();
            ledger.Intend(n);
            var id = await PatientlyAsync(job?.Invoke(n) ?? new Work(n, Ms: 1), options);
            ledger.Acknowledge(n, id);
            return id;
        }));

    /// <summary>One bulk call.</summary>
    public async Task EnqueueManyAsync(int count, int ms = 1, QueueName? queue = null)
    {
        var batch = Enumerable.Range(0, count).Select(_ => ledger.Next()).ToDictionary(n => n, _ => JobId.New());
        foreach (var n in batch.Keys)
        {
            ledger.Intend(n);
        }

        await jobs.EnqueueManyAsync(batch.Keys.Select(n => new Work(n, ms)), job => new EnqueueOptions { Id = batch[job.N], Queue = queue });
        foreach (var (n, id) in batch)
        {
            ledger.Acknowledge(n, id);
        }
    }

    /// <summary>Probes of limits, in bulk calls.</summary>
    public async Task EnqueueProbesAsync(int count, Func<long, Probe> probe, QueueName? queue = null)
    {
        foreach (var numbers in Enumerable.Range(0, count).Select(_ => ledger.Next()).Chunk(5000))
        {
            var batch = numbers.ToDictionary(n => n, _ => JobId.New());
            foreach (var n in batch.Keys)
            {
                ledger.Intend(n);
            }

            await jobs.EnqueueManyAsync(batch.Keys.Select(probe), job => new EnqueueOptions { Id = batch[job.N], Queue = queue });
            foreach (var (n, id) in batch)
            {
                ledger.Acknowledge(n, id);
            }
        }
    }

    public async Task<JobId> EnqueuePoisonAsync()
    {
        var n = ledger.Next();
        ledger.Intend(n);
        var id = await jobs.EnqueueAsync(new Poison(n));
        ledger.Acknowledge(n, id);
        return id;
    }

    /// <summary>A steady stream, until told to stop; what was begun is finished.</summary>
    public Steady Start(int perSecond, Func<long, Work>? job = null, EnqueueOptions? options = null) => new(this, servers, perSecond, job, options);

    private async Task<JobId> PatientlyAsync(Work job, EnqueueOptions? options)
    {
        while (true)
        {
            try
            {
                return await jobs.EnqueueAsync(job, options);
            }
            catch (EnqueueUnknownException e)
            {
                Interlocked.Increment(ref _unknown);
                options = (options ?? new EnqueueOptions()) with { Id = e.Ids[0] }; // the remedy that the error names
            }
        }
    }

    internal sealed class Steady : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Servers _servers;
        private readonly Task _run;

        public Steady(Load load, Servers servers, int perSecond, Func<long, Work>? job, EnqueueOptions? options) => (_servers, _run) = (servers, Task.Run(async () =>
        {
            using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1.0 / TicksPerSecond));
            var calls = new List<Task>();
            while (!_stop.IsCancellationRequested)
            {
                calls.Add(load.EnqueueAsync(perSecond / TicksPerSecond, job, options));
                calls.RemoveAll(c => c.IsCompletedSuccessfully);
                await timer.WaitForNextTickAsync();
            }

            await Task.WhenAll(calls);
        }));

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _servers.RepairAsync(); // a test that failed half way may have left one down, and then nothing would ever be finished
            await _run;
            _stop.Dispose();
        }
    }
}
