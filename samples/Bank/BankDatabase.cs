using FileIndex;
using Npgsql;

namespace Bank;

/// <summary>A bank's own database: accounts, and what was applied to them. Money is whole cents.</summary>
internal static class BankDatabase
{
    public const int Accounts = 1000;
    public const long Opening = 1000_00;

    public static readonly string[] Names = ["a", "b"];

    public static string NameOf(string bank) => $"{Servers.Schema}_{bank}";

    /// <summary>For Npgsql.</summary>
    public static string Connection(string database) => new NpgsqlConnectionStringBuilder(Servers.Postgres)
    {
        Database = database, Options = "-c lock_timeout=1s", ApplicationName = "bank", MaxPoolSize = 16, MaxAutoPrepare = 20, AutoPrepareMinUsages = 2,
    }.ConnectionString;

    public static async Task CreateAsync(NpgsqlDataSource bank, CancellationToken ct)
    {
        await using var create = bank.CreateCommand($"""
            create table account (number integer primary key, balance bigint not null check (balance >= 0)) with (fillfactor = 70);
            create table applied (transfer uuid primary key, account integer not null references account, cents bigint not null);
            insert into account select n, {Opening} from generate_series(1, {Accounts}) n;
            """);
        await create.ExecuteNonQueryAsync(ct);
    }
}
