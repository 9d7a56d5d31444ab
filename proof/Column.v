(* Algebra of one normalised column: the sums that vanish, the closed forms' invariants, and
   the adjoint identity that turns a derivative of outputs into gradients of inputs. *)
Require Import Reals Lra Lia.
From bnorm Require Import Definitions Sums.
Open Scope R_scope.

(* The change of the output when z, gamma and beta change at the rates t, tg and tb. *)
Definition tangent (s : setting) (gamma : R) (z t : nat -> R) (tg tb : R) (i : nat) : R :=
  gamma / sigma s z
    * (t i - mu s t - zhat s z i * ((∑ k < (N s), omega s k * (zhat s z k * t k)) / M s))
  + zhat s z i * tg + tb.

Section Column.
Variable s : setting.
Hypothesis Hs : legal s.
Let Hn : n s <> 0 := proj1 Hs.
Let HM : M s <> 0 := proj2 Hs.

Lemma sigma_pos z : regular s z -> 0 < sigma s z.
Proof. apply sqrt_lt_R0. Qed.

Lemma sigma_square z : regular s z -> sigma s z ^ 2 = v s z + eps s.
Proof. intros H. unfold sigma. apply pow2_sqrt. unfold regular in H. lra. Qed.

Lemma centred z i : regular s z -> z i - mu s z = sigma s z * zhat s z i.
Proof. intros Hz. pose proof (sigma_pos z Hz). unfold zhat. field. lra. Qed.

Lemma sum_centred z : ∑ i < (N s), omega s i * (z i - mu s z) = 0.
Proof.
  rewrite (rsum_ext _ _ (fun i => omega s i * z i - omega s i * mu s z)) by (intros; ring).
  rewrite rsum_minus, rsum_scal_r. change (rsum (N s) (omega s)) with (n s).
  unfold mu. field. exact Hn.
Qed.

Lemma sum_zhat z : ∑ i < (N s), omega s i * zhat s z i = 0.
Proof.
  unfold zhat, Rdiv.
  rewrite (rsum_ext _ _ (fun i => omega s i * (z i - mu s z) * / sigma s z)) by (intros; ring).
  rewrite rsum_scal_r, sum_centred. ring.
Qed.

Lemma sum_squares z :
  regular s z -> ∑ i < (N s), omega s i * zhat s z i ^ 2 = M s * v s z / sigma s z ^ 2.
Proof.
  intros Hz. pose proof (sigma_pos z Hz) as Hp.
  rewrite (rsum_ext _ _ (fun i => / sigma s z ^ 2 * (omega s i * (z i - mu s z) ^ 2)))
    by (intros; unfold zhat; field; lra).
  rewrite rsum_scal_l. unfold v. field_nonzero.
Qed.

Lemma adjoint gamma z w t tg tb : regular s z ->
  ∑ i < (N s), w i * tangent s gamma z t tg tb i
  = (∑ i < (N s), dz s gamma z w i * t i) + dgamma s z w * tg + dbeta s w * tb.
Proof.
  intros Hz. pose proof (sigma_pos z Hz) as Hp.
  set (q := ∑ k < (N s), omega s k * (zhat s z k * t k)).
  set (c := gamma / sigma s z).
  rewrite (rsum_ext _ _ (fun i => c * (w i * t i) - (c * mu s t) * w i
      - (c * (q / M s)) * (zhat s z i * w i) + tg * (zhat s z i * w i) + tb * w i))
    by (intros; unfold tangent; fold q c; ring).
  rewrite (rsum_ext _ (fun i => dz s gamma z w i * t i) (fun i => c * (w i * t i)
      - (c * (dbeta s w / n s)) * (omega s i * t i)
      - (c * (dgamma s z w / M s)) * (omega s i * (zhat s z i * t i))))
    by (intros; unfold dz; fold c; unfold Rdiv; ring).
  rewrite !rsum_plus, !rsum_minus, !rsum_scal_l. fold q (dgamma s z w).
  change (rsum (N s) w) with (dbeta s w).
  unfold mu. field_nonzero.
Qed.

(* 1'dz = 0 *)
Lemma sum_dz gamma z w : regular s z -> rsum (N s) (dz s gamma z w) = 0.
Proof.
  intros Hz. pose proof (sigma_pos z Hz) as Hp.
  rewrite (rsum_ext _ _ (fun i => gamma / sigma s z * (w i - dbeta s w / n s * omega s i
      - dgamma s z w / M s * (omega s i * zhat s z i)))) by (intros; unfold dz, Rdiv; ring).
  rewrite rsum_scal_l, !rsum_minus, !rsum_scal_l, sum_zhat.
  change (rsum (N s) (omega s)) with (n s). change (rsum (N s) w) with (dbeta s w).
  field_nonzero.
Qed.

(* z_c'dz = gamma dgamma eps / sigma^2 *)
Lemma radial_dz gamma z w : regular s z ->
  ∑ i < (N s), (z i - mu s z) * dz s gamma z w i
  = gamma * dgamma s z w * eps s / sigma s z ^ 2.
Proof.
  intros Hz. pose proof (sigma_pos z Hz) as Hp.
  rewrite (rsum_ext _ _ (fun i => gamma * (zhat s z i * w i)
      - gamma * (dbeta s w / n s) * (omega s i * zhat s z i)
      - gamma * (dgamma s z w / M s) * (omega s i * zhat s z i ^ 2))).
  2: { intros i _. rewrite centred by exact Hz. unfold dz. field_nonzero. }
  rewrite !rsum_minus, !rsum_scal_l, sum_zhat, sum_squares by exact Hz.
  fold (dgamma s z w). replace (v s z) with (sigma s z ^ 2 - eps s)
    by (rewrite sigma_square by exact Hz; ring).
  field_nonzero.
Qed.

(* v >= 0 for weights that are not negative: at eps > 0 every column is regular. *)
Lemma v_nonneg z : (forall i, 0 <= omega s i) -> 0 < M s -> 0 <= v s z.
Proof.
  intros Ho HM'. unfold v. apply Rmult_le_pos; [|left; now apply Rinv_0_lt_compat].
  apply rsum_nonneg. intros. apply Rmult_le_pos; [apply Ho|apply pow2_ge_0].
Qed.
End Column.

Lemma unweighted_n N ddof eps : n (unweighted N ddof eps) = INR N.
Proof. unfold n. simpl. rewrite rsum_const. ring. Qed.

Lemma unweighted_legal N ddof eps :
  (0 < N)%nat -> INR N - ddof <> 0 -> legal (unweighted N ddof eps).
Proof. intros HN HM. split; [|exact HM]. rewrite unweighted_n. apply not_0_INR. lia. Qed.
