using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Jobs.Tests.FaultHost;

/// <summary>A process that coordinates transactions, takes part in them, or both, as <c>--Parts</c> says.</summary>
internal static class ServiceRole
{
    /// <summary>Short: what a process leaves has to be tried again within a test.</summary>
    private static readonly RetryPolicy Soon = new(1000, n => TimeSpan.FromMilliseconds(Math.Min(2000, 50 * Math.Pow(2, Math.Min(n, 10)))));

    public static void Add(JobsBuilder jobs, FaultOptions options)
    {
        var parts = options.Parts;
        jobs.AddWorker(w =>
        {
            w.ShutdownGrace = options.Grace;
            w.TimeoutGrace = TimeSpan.FromSeconds(1);
            if (parts.Contains("participant"))
            {
                w.Queue("transactions", options.Concurrency);
            }
        });
        if (parts.Contains("participant"))
        {
            foreach (var name in new[] { "a", "b" })
            {
                var database = $"{options.Postgres};Database={options.Schema}_{name};Maximum Pool Size={options.Concurrency + 4};Options=-c lock_timeout=2s";
                jobs.AddParticipantDatabase(name, database, o => (o.SweepEvery, o.AskAfter) = (TimeSpan.FromSeconds(1), options.AskAfter));
                jobs.Services.AddKeyedSingleton(name, (_, _) => NpgsqlDataSource.Create(database));
            }

            jobs.Services.AddSingleton(p => new Holds(options.Folder, p.GetRequiredService<TimeProvider>()));
        }

        jobs.AddTransactions(t =>
        {
            t.WatchEvery = options.WatchEvery ?? t.WatchEvery;
            if (parts.Contains("coordinator"))
            {
                t.Coordinator();
            }

            if (parts.Contains("participant"))
            {
                t.Participant<Debit, DebitParticipant>(Soon).Participant<Credit, CreditParticipant>(Soon).Participant<Note, NoteParticipant>(Soon)
                    .Step<Book, BookStep>(Soon).Step<Tell, TellStep>(Soon);
            }
        });
    }
}
