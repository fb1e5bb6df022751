using Bank;
using Bank.Demo;
using FileIndex;
using FileIndex.Demo;
using Jobs;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

// One program in all its roles. `demo` starts the others as processes of their own, so that they can be killed.
return args switch
{
    ["coordinate"] => await RunAsync(jobs => jobs.AddTransactions(t => t.Coordinator(concurrency: 8))),
    ["bank", "a"] => await RunAsync(jobs => WithDatabase(jobs, "a").AddTransactions(t => t.Participant<PostAtA, BankA>())),
    ["bank", "b"] => await RunAsync(jobs => WithDatabase(jobs, "b").AddTransactions(t => t.Participant<PostAtB, BankB>())),
    ["ledger", var path] => await RunAsync(jobs =>
    {
        jobs.Services.AddSingleton(new LedgerFile(path));
        jobs.AddWorker(w => w.Queue("ledger", concurrency: 32)).AddTransactions(t => t.Participant<Note, Ledger>());
    }),
    ["agency"] => await RunAsync(jobs =>
    {
        jobs.Services.AddSingleton<TripDatabase>();
        jobs.AddWorker(_ => { }).AddTransactions(t => t
            .Step<BookFlight, FlightStep>().Step<BookHotel, HotelStep>().Step<Charge, ChargeStep>().Step<SendTickets, TicketStep>());
    }),
    ["schedule"] => await RunAsync(jobs => jobs.AddScheduler()),
    ["teller", var transfers, var trips] => await TellAsync(int.Parse(transfers), int.Parse(trips)),
    ["demo", .. var rest] => await DemoCommand.RunAsync(rest),
    _ => DemoCommand.WrongUsage(args),
};

static JobsBuilder WithDatabase(JobsBuilder jobs, string bank) => jobs
    .AddParticipantDatabase(bank, BankDatabase.Connection(BankDatabase.NameOf(bank)), o => o.PreparedTransactions = 2 * Teller.TransfersAtOnce)
    .AddWorker(w => w.Queue($"bank-{bank}", concurrency: 16));

static async Task<int> RunAsync(Action<JobsBuilder> addRole)
{
    using var host = Build(addRole);
    await host.RunAsync(); // until SIGTERM
    return 0;
}

static async Task<int> TellAsync(int transfers, int trips)
{
    using var host = Build(jobs => jobs.AddTransactions());
    await host.StartAsync();
    await new Teller(host.Services.GetRequiredService<Jobs.Transactions.ITransactions>()).RunAsync(transfers, trips, CancellationToken.None);
    await host.StopAsync();
    Console.WriteLine(transfers);
    return 0;
}

static IHost Build(Action<JobsBuilder> addRole)
{
    ChildProcess.EndWithParent();
    var builder = Host.CreateApplicationBuilder();
    addRole(builder.Services.AddJobs(options =>
    {
        options.Postgres = new Npgsql.NpgsqlConnectionStringBuilder(Servers.Postgres) { MaxPoolSize = 10 }.ConnectionString; // ten processes share the server's connections
        options.RabbitMq = Servers.RabbitMq;
        options.Schema = Servers.Schema;
        options.AppName = "Bank";
    }));
    return builder.Build();
}
