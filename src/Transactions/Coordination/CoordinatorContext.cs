using Jobs.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Jobs.Transactions;

/// <summary>The coordinator's view of the tables of transactions. One instance a message. The tables themselves are made by the engine's migrations.</summary>
internal sealed class CoordinatorContext(DbContextOptions<CoordinatorContext> options, string schema) : DbContext(options)
{
    public DbSet<TransactionRow> Transactions => Set<TransactionRow>();

    public DbSet<BranchRow> Branches => Set<BranchRow>();

    public static DbContextOptions<CoordinatorContext> Options(TransactionStore store) =>
        new DbContextOptionsBuilder<CoordinatorContext>().UseNpgsql(store.Source).ReplaceService<Microsoft.EntityFrameworkCore.Infrastructure.IModelCacheKeyFactory, BySchema>().Options;

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.HasDefaultSchema(schema);
        modelBuilder.Entity<TransactionRow>(Transaction);
        modelBuilder.Entity<BranchRow>(Branch);
    }

    private static void Transaction(EntityTypeBuilder<TransactionRow> row)
    {
        row.ToTable("transaction").HasKey(t => t.CorrelationId);
        row.Property(t => t.CorrelationId).HasColumnName("id").ValueGeneratedNever();
        row.Property(t => t.Name).HasColumnName("name");
        row.Property(t => t.Mode).HasColumnName("mode").HasConversion(m => StateWords.Of(m), w => StateWords.Read<TransactionMode>(w));
        row.Property(t => t.State).HasColumnName("state").HasConversion(s => s.ToLowerInvariant(), w => StateWords.Read<TransactionState>(w).ToString());
        row.Property(t => t.Priority).HasColumnName("priority");
        row.Property(t => t.DeadlineAt).HasColumnName("deadline_at");
        row.Property(t => t.DecidedAt).HasColumnName("decided_at");
        row.Property(t => t.EndedAt).HasColumnName("ended_at");
        row.Property(t => t.Reason).HasColumnName("reason");
        row.Property(t => t.CreatedAt).HasColumnName("created_at");
        row.Property(t => t.Trace).HasColumnName("trace");
        row.Property(t => t.LockedAt).HasColumnName("locked_at"); // of the statement that locks, not of the table: never written
        row.Ignore(t => t.Commit);
        row.HasMany(t => t.Branches).WithOne().HasForeignKey(b => b.TransactionId);
    }

    private static void Branch(EntityTypeBuilder<BranchRow> row)
    {
        row.ToTable("transaction_branch").HasKey(b => new { b.TransactionId, b.Number });
        row.Property(b => b.TransactionId).HasColumnName("transaction_id");
        row.Property(b => b.Number).HasColumnName("number").ValueGeneratedNever();
        row.Property(b => b.Stage).HasColumnName("stage");
        row.Property(b => b.Kind).HasColumnName("kind");
        row.Property(b => b.Queue).HasColumnName("queue");
        row.Property(b => b.Compensated).HasColumnName("compensated");
        row.Property(b => b.State).HasColumnName("state").HasConversion(s => StateWords.Of(s), w => StateWords.Read<BranchState>(w));
        row.Property(b => b.Round).HasColumnName("round");
        row.Property(b => b.Verb).HasColumnName("verb").HasConversion(v => StateWords.Of(v!.Value), w => StateWords.Read<Verb>(w));
        row.Property(b => b.Job).HasColumnName("job");
        row.Property(b => b.After).HasColumnName("after");
        row.Property(b => b.Answered).HasColumnName("answered");
        row.Property(b => b.Reason).HasColumnName("reason");
        row.Property(b => b.AskedAt).HasColumnName("asked_at");
        row.Property(b => b.VotedAt).HasColumnName("voted_at");
        row.Property(b => b.EndedAt).HasColumnName("ended_at");
    }

    /// <summary>A process may know several installations: a model for each.</summary>
    private sealed class BySchema : Microsoft.EntityFrameworkCore.Infrastructure.IModelCacheKeyFactory
    {
        public object Create(DbContext context, bool designTime) => (context.GetType(), ((CoordinatorContext)context).Schema, designTime);
    }

    private string Schema => schema;
}
