using System.Data.Common;
using System.Reflection;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Jobs.Tests.Engine;

internal sealed class Order
{
    public int Number { get; set; }

    public string Text { get; set; } = "";
}

/// <summary>An app's own context. Its table lies in the schema of the test's installation, only so that it goes with it.</summary>
internal sealed class Shop(DbContextOptions<Shop> options, InSchema schema) : DbContext(options)
{
    public DbSet<Order> Orders => Set<Order>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.HasDefaultSchema(schema.Name);
        modelBuilder.Entity<Order>().HasKey(o => o.Number);
        modelBuilder.Entity<Order>().Property(o => o.Number).ValueGeneratedNever();
        modelBuilder.Entity<Order>().ToTable("order");
    }
}

internal sealed record InSchema(string Name);

/// <summary>A host of an app with a <see cref="Shop"/>, its table made as a migration of the app would make it.</summary>
internal sealed class ShopHost(IHost host) : IAsyncDisposable
{
    private readonly AsyncServiceScope _scope = host.Services.CreateAsyncScope();

    public IHost Host => host;

    public static async Task<ShopHost> StartAsync(TestApp app, bool retries = false, IInterceptor? faults = null, Action<JobsOptions>? options = null,
        Action<IServiceCollection>? services = null, bool pool = false)
    {
        var host = app.Build(_ => { }, options, s =>
        {
            s.AddSingleton(new InSchema(app.Schema));
            services?.Invoke(s);
            if (pool)
            {
                s.AddDbContextPool<Shop>(Configure, poolSize: 1);
            }
            else
            {
                s.AddDbContext<Shop>(Configure);
            }
        });
        var shop = new ShopHost(await app.StartAsync(host));
        await app.SqlAsync(shop.Context().Database.GenerateCreateScript());
        return shop;

        void Configure(IServiceProvider provider, DbContextOptionsBuilder o)
        {
            o.UseNpgsql(app.Servers.Postgres, n =>
            {
                if (retries)
                {
                    n.EnableRetryOnFailure(3, TimeSpan.FromMilliseconds(1), null);
                }
            }).UseJobs(provider);
            o.ConfigureWarnings(w => w.Ignore(CoreEventId.ManyServiceProvidersCreatedWarning)); // a schema for each test
            if (faults is not null)
            {
                o.AddInterceptors(faults);
            }
        }
    }

    /// <summary>A context of a scope of its own, which ends with the host.</summary>
    public Shop Context() => _scope.ServiceProvider.GetRequiredService<IServiceScopeFactory>().CreateScope().ServiceProvider.GetRequiredService<Shop>();

    public AsyncServiceScope Scope() => host.Services.CreateAsyncScope();

    public ValueTask DisposeAsync() => _scope.DisposeAsync();
}

/// <summary>An error that passes, once: before a statement, after it, or after the commit.</summary>
internal sealed class FaultOnce(string place) : IDbCommandInterceptor, IDbTransactionInterceptor
{
    private int _left = 1;

    public bool Happened => _left <= 0;

    public ValueTask<InterceptionResult<DbDataReader>> ReaderExecutingAsync(
        DbCommand command, CommandEventData eventData, InterceptionResult<DbDataReader> result, CancellationToken cancellationToken = default)
    {
        Throw("before");
        return new(result);
    }

    public ValueTask<DbDataReader> ReaderExecutedAsync(DbCommand command, CommandExecutedEventData eventData, DbDataReader result, CancellationToken cancellationToken = default)
    {
        Throw("after");
        return new(result);
    }

    public Task TransactionCommittedAsync(DbTransaction transaction, TransactionEndEventData eventData, CancellationToken cancellationToken = default)
    {
        Throw("commit");
        return Task.CompletedTask;
    }

    private void Throw(string here)
    {
        if (here == place && Interlocked.Decrement(ref _left) == 0)
        {
            throw new TimeoutException($"Made up: {here}.");
        }
    }
}

/// <summary>A client none of whose calls works.</summary>
public class BrokenClient : DispatchProxy
{
    public static IJobClient Create() => Create<IJobClient, BrokenClient>();

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) => throw new TimeoutException("Made up: no answer.");
}
