(* The second answer's step-by-step backward pass is the closed form (B3). *)
Require Import Reals Lra Lia.
From bnorm Require Import Definitions Sums Column.
Open Scope R_scope.

Theorem stepwise_is_dz s gamma z w k : (forall i, omega s i = 1) -> legal s -> regular s z ->
  stepwise_dz s gamma z w k = dz s gamma z w k.
Proof.
  intros H1 [Hn HM] Hz. pose proof (sigma_pos s z Hz) as Hp.
  assert (EN : INR (N s) = n s).
  { unfold n. rewrite (rsum_ext _ _ (fun _ => 1)) by (intros; apply H1). rewrite rsum_const. ring. }
  assert (Ec : ∑ i < (N s), (z i - mu s z) = 0).
  { rewrite <- (sum_centred s (conj Hn HM) z). apply rsum_ext. intros. rewrite H1. ring. }
  unfold stepwise_dz. fold (sigma s z). set (r := sigma s z) in *. rewrite EN.
  rewrite (rsum_ext _ (fun i => w i * gamma * (z i - mu s z))
    (fun i => gamma * r * (zhat s z i * w i)))
    by (intros; rewrite (centred s z i Hz); fold r; ring).
  rewrite rsum_scal_l. fold (dgamma s z w).
  rewrite rsum_plus.
  rewrite (rsum_ext _ (fun i => w i * gamma * (1 / r)) (fun i => gamma * (1 / r) * w i))
    by (intros; ring).
  rewrite !rsum_scal_r, !rsum_scal_l, Ec. change (rsum (N s) w) with (dbeta s w).
  rewrite (centred s z k Hz). fold r. unfold dz. rewrite H1. fold r. field_nonzero.
Qed.
